"""Decide what a resumed run does about changed inputs: refuse them, repeat trials, or mark their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

from unetgen.ablation.results.database import ResultsDatabase, TrialRow
from unetgen.ablation.runs.execution import TIMEOUT_TRACEBACK_FILE
from unetgen.ablation.runs.inputs.run_input import (
    PluginUsage,
    RunInput,
    collect_inputs,
    describe_changes,
    find_changes,
)
from unetgen.ablation.runs.log import LOG_FILE
from unetgen.ablation.runs.trial import get_trial_directory
from unetgen.errors import RunError

ChangePolicy = Literal["refuse", "accept", "rerun"]

CHANGE_POLICIES: tuple[ChangePolicy, ...] = ("refuse", "accept", "rerun")


def apply_change_policy(
    database: ResultsDatabase, folder: Path, function: Callable[..., Any], policy: ChangePolicy, name: str
) -> None:
    """Compare the inputs of a run with those of its results, in the directory where it was started.

    Args:
        database: The results database.
        folder: The run directory.
        function: The trial function as it is now.
        policy: ``refuse`` changed inputs that started trials depend on, ``rerun`` those trials, or ``accept`` their
            results, which are then counted as outdated.
        name: The run directory as it was given, for messages.

    Raises:
        RunError: Inputs changed, and the policy is to refuse.
    """
    settings = database.read_settings()
    recorded = [RunInput.from_dict(data) for data in settings["inputs"]]
    changes = find_changes(recorded)
    affected = [
        (row.variant, row.seed)
        for row in database.read_trials()
        if _depends_on_inputs(row, folder) and any(before.affects(row.variant) for before, _ in changes)
    ]
    if affected and policy == "refuse":
        what = f"the results in {name} have other inputs: {describe_changes(changes)}"
        raise RunError(
            f"{what}; restore them, choose another --out, run the trials that depend on them again with "
            "--rerun-changed, or keep their results, marked as outdated, with --accept-changes"
        )
    outdated = {(variant, seed) for variant, seed in settings["outdated"]}
    if affected and policy == "rerun":
        for variant, seed in affected:
            _move_aside(get_trial_directory(folder, variant, seed))
        database.restart_trials(affected)
        outdated -= set(affected)
    elif affected:
        outdated |= set(affected)
    if changes:
        now = dict(changes)
        inputs = _add_new_inputs([now.get(item, item) for item in recorded], function, settings["options"])
        database.write_settings({"inputs": [i.to_dict() for i in inputs], "outdated": sorted(outdated)})


def _depends_on_inputs(row: TrialRow, folder: Path) -> bool:
    """Return whether a trial has a result, or files that its next attempt may continue from."""
    files = get_trial_directory(folder, row.variant, row.seed).glob("*")
    return row.state == "finished" or any(file.name not in (LOG_FILE, TIMEOUT_TRACEBACK_FILE) for file in files)


def _add_new_inputs(
    present: Sequence[RunInput], function: Callable[..., Any], options: Mapping[str, Any]
) -> list[RunInput]:
    """Return the inputs, and what the trial's code imports in addition since they were recorded."""
    known = {(item.kind, item.name) for item in present}
    collected = collect_inputs(function, options, PluginUsage())
    return [*present, *(item for item in collected if (item.kind, item.name) not in known)]


def _move_aside(directory: Path) -> None:
    """Rename the directory of a trial, so that its new attempt finds no checkpoint and no result."""
    if directory.exists():
        names = (directory.with_name(f"{directory.name}.replaced-{number}") for number in count(1))
        directory.rename(next(name for name in names if not name.exists()))
