"""Run: the trials of a sweep that are missing, carried out by an engine and kept in a ledger."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unetgen.ablation.results.database import DATABASE_FILE, ResultsDatabase, TrialRow, VariantRow
from unetgen.ablation.results.results_table import ResultsTable
from unetgen.ablation.runs.device import check_device
from unetgen.ablation.runs.engines.engine import Engine, Event, MetricsReported, TrialFinished, TrialStarted
from unetgen.ablation.runs.engines.local import LocalEngine
from unetgen.ablation.runs.engines.worker_process import exit_if_spawn_reimport
from unetgen.ablation.runs.result import read_result
from unetgen.ablation.runs.run_directory import (
    SkippedCombinations,
    check_same_run,
    ensure_variants_written,
    load_variants,
    lock_run_directory,
    resolve_run_directory,
)
from unetgen.ablation.runs.trial import Trial, TrialLimits
from unetgen.ablation.runs.trial_function import (
    check_options,
    get_baselines,
    get_metric_directions,
    load_trial_function,
)
from unetgen.errors import RunError
from unetgen.plugins import load_registry

# numpy's generators take as many.
_SEED_LIMIT = 2**32


class RunListener:
    """Hears how a run is going; each method does nothing unless it is overridden."""

    def on_skipped(self, skipped: SkippedCombinations) -> None:
        """These combinations of the sweep have no trials."""

    def on_planned(self, trials: Sequence[Trial], num_finished: int) -> None:
        """These are to be carried out, and so many were before."""

    def on_event(self, event: Event) -> None:
        """A trial has started, told something, or ended."""


def run(  # noqa: PLR0913  # as many as there is to choose
    sweep: str | Path,
    trial: str | None = None,
    *,
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    repeat: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    fail_fast: bool = False,
    engine: Engine | None = None,
    conditions: TrialLimits = TrialLimits(),  # noqa: B008  # it is frozen
    plugins: Sequence[str] = (),
    listener: RunListener | None = None,
) -> ResultsTable:
    """Carries out ``trial(model, spec, context, **options) -> metrics`` for every variant and seed of a sweep.

    ``sweep`` is a file or a directory that ``unetgen sweep --out`` wrote; results lie in ``out``, or a folder of the
    file's name, in ``results.sqlite``. ``repeat`` seeds from ``seed`` on, else seed 0 alone. With ``resume`` what is
    missing or failed there is carried out, and nothing else; ``trial`` and ``options`` are then as they were, and seeds
    that are given are added. A trial that fails stops no other, unless ``fail_fast``. ``engine`` has one worker of this
    machine unless given. Raises RunError where it cannot begin or go on, and SpecError where the sweep is wrong.
    """
    exit_if_spawn_reimport()
    folder, listener, engine = resolve_run_directory(sweep, out), listener or RunListener(), engine or LocalEngine()
    asked = _RunRequest(sweep, folder, trial, dict(options or {}), tuple(plugins), repeat, seed)
    check_device(conditions.device, is_local=isinstance(engine, LocalEngine))
    with lock_run_directory(folder), _resume_run(asked) if resume else _create_run(asked) as ledger:
        ledger.reset_running()
        listener.on_skipped(SkippedCombinations(**ledger.read_settings()["absent"]))
        waiting = _list_pending_trials(ledger, folder, conditions)
        listener.on_planned(waiting, sum(record.state == "finished" for record in ledger.read_trials()))
        try:
            _execute(engine, waiting, ledger, listener, fail_fast=fail_fast)
        finally:
            ledger.reset_running()
        return ResultsTable.of(ledger)


@dataclass(frozen=True, slots=True)
class _RunRequest:
    """What a run is to be about."""

    sweep: str | Path
    folder: Path
    trial: str | None
    options: dict[str, Any]
    plugins: tuple[str, ...]
    repeat: int | None
    seed: int | None

    def resolve_seeds(self, default_start: int = 0) -> range:
        """Those that are given, from ``first`` on where no other is. Raises RunError where numpy takes none."""
        start = default_start if self.seed is None else self.seed
        found = range(start, start + (1 if self.repeat is None else self.repeat))
        if not found or found[0] < 0 or found[-1] >= _SEED_LIMIT:
            raise RunError(
                f"there are no seeds from {found.start} to {found.stop - 1}; take some from 0 to {_SEED_LIMIT - 1:,}"
            )
        return found


@contextmanager
def _resume_run(request: _RunRequest) -> Iterator[ResultsDatabase]:
    """The folder's ledger as it was left. Raises RunError where there is none, or where it is of something else."""
    if not (request.folder / DATABASE_FILE).is_file():
        raise RunError(f"{request.folder} has no results to go on from; leave --resume out")
    with ResultsDatabase.open(request.folder) as ledger:
        known = ledger.read_settings()
        with _enter_original_directory(request.folder, known["cwd"]):
            registry = load_registry(known["plugins"])
            check_options(known["trial"], load_trial_function(known["trial"]), known["options"])
        again = {"trial": request.trial, "options": request.options or None, "plugins": list(request.plugins) or None}
        check_same_run(request.sweep, request.folder, known, again, registry)
        if request.repeat is not None or request.seed is not None:
            ledger.add_trials(request.resolve_seeds(min(record.seed for record in ledger.read_trials())))
        yield ledger


@contextmanager
def _enter_original_directory(folder: Path, cwd: str) -> Iterator[None]:
    """In the folder where the run was begun, which its trial, its options and its plugins may be relative to."""
    with ExitStack() as back:
        try:
            back.enter_context(chdir(cwd))
        except OSError:
            way = "put it back, with what the trial needs there"
            raise RunError(f"{folder} has results of a run that was begun in {cwd}, which is gone; {way}") from None
        yield


@contextmanager
def _create_run(request: _RunRequest) -> Iterator[ResultsDatabase]:
    """A new ledger, in the directory of the sweep's variants."""
    if (request.folder / DATABASE_FILE).is_file():
        raise RunError(f"{request.folder} has results already; --resume goes on with what is missing there")
    if request.trial is None:
        raise RunError("there is nothing to carry out; add --trial module:function")
    seeds, function = request.resolve_seeds(), load_trial_function(request.trial)
    check_options(request.trial, function, request.options)
    registry = load_registry(request.plugins)
    absent = asdict(ensure_variants_written(request.sweep, request.folder, registry))
    entries, about = load_variants(request.folder, registry)
    said = {
        "trial": request.trial,
        "options": request.options,
        "plugins": list(request.plugins),
        "cwd": str(Path.cwd()),
    }
    settings = {**about, **said, "absent": absent, "better": get_metric_directions(function), **_collect_versions()}
    baselines = [VariantRow(name) for name in get_baselines(function)]
    with ResultsDatabase.create(request.folder, settings, [*entries, *baselines], seeds) as ledger:
        yield ledger


def _collect_versions() -> dict[str, str]:
    return {
        "unetgen": version("unetgen"), "torch": version("torch"), "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip


def _list_pending_trials(database: ResultsDatabase, folder: Path, limits: TrialLimits) -> list[Trial]:
    """What is planned and not finished."""
    settings, entries = database.read_settings(), {entry.name: entry for entry in database.read_variants()}
    base = next((e for e in entries.values() if e.hash == settings["base"]), next(iter(entries.values())))

    def of(record: TrialRow) -> Trial:
        entry = entries[record.variant]
        return Trial(
            entry.name, record.seed, record.attempts + 1, settings["trial"], folder.resolve(), Path(settings["cwd"]),
            settings["options"], entry.spec or base.spec, not entry.spec, tuple(settings["plugins"]), limits,
        )  # fmt: skip

    unfinished = [of(record) for record in database.read_trials() if record.state != "finished"]
    return [trial for trial in unfinished if not _recover_result(trial, database)]


def _recover_result(trial: Trial, database: ResultsDatabase) -> bool:
    """Whether a trial had finished when nobody was there any more to hear of it; then it is entered."""
    left = read_result(trial.directory)
    if left is None:
        return False
    database.finish_trial(trial.name, trial.seed, left.metrics, left.curves, left.seconds, left.device, "")
    return True


def _execute(
    engine: Engine, trials: Sequence[Trial], database: ResultsDatabase, listener: RunListener, *, fail_fast: bool
) -> None:
    # Closing the events, whatever the reason, ends the trials that still run.
    with closing(engine.run_trials(trials)) as events:  # type: ignore[type-var]  # a generator, whatever the engine
        for event in events:
            _record(event, database)
            listener.on_event(event)
            if fail_fast and isinstance(event, TrialFinished) and event.result.error:
                return


def _record(event: Event, database: ResultsDatabase) -> None:
    name, seed = event.trial.name, event.trial.seed
    match event:
        case TrialStarted():
            database.start_trial(name, seed)
        case MetricsReported(step=step, metrics=metrics):
            database.record_metrics(name, seed, step, metrics)
        case TrialFinished(result=r):
            database.finish_trial(name, seed, r.metrics, r.curves, r.seconds, r.device, r.error)
