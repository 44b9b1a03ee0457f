"""A sweep's directory: one spec for each variant and an index, put in place when all of it is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from unetgen.ablation.axis import Combination, overlay_of
from unetgen.ablation.storage.exchange import exchange
from unetgen.ablation.storage.index import INDEX, TABLE, CsvIndex, JsonIndex, read_index
from unetgen.ablation.summary import Summary, walk
from unetgen.ablation.sweep import Outcome, Sweep
from unetgen.ablation.variant import Variant
from unetgen.config.library import overridden
from unetgen.config.node import Node
from unetgen.config.spec import SCHEMA_VERSION
from unetgen.config.yaml_writer import write
from unetgen.errors import Problem, SpecError

# Specs with every default written out, or what is laid over the base alone.
Form = Literal["resolved", "overlay"]

# A base that stands in the sweep's own file, which overlays need to extend.
BASE_FILE = "base.yaml"


def write_sweep(
    sweep: Sweep, place: Path, form: Form = "resolved", *hear: Callable[[Outcome], None], fail_fast: bool = False
) -> Summary:
    """Writes the variants of a sweep to a directory, and returns what else there is to tell.

    A sweep's directory that is there already is replaced when the new one is complete. With the policy ``error``
    nothing is written unless every combination is valid, with ``fail_fast`` the first that is not ends it. Each of
    ``hear`` is told every outcome when it is known. Raises SpecError where the directory holds anything else.
    """
    _check(place)
    with _draft(place) as draft:
        with (draft / INDEX).open("w", encoding="utf-8") as one, (draft / TABLE).open("w", encoding="utf-8") as other:
            index, table = JsonIndex(one, sweep), CsvIndex(other, sweep)

            def write_variant(outcome: Outcome) -> None:
                if isinstance(outcome, Variant):
                    _write(outcome, sweep, draft, place, form)
                    index.add(outcome)
                    table.add(outcome)

            summary = walk(sweep, write_variant, *hear, fail_fast=fail_fast)
            index.close(summary)
        if keeps(sweep, summary):
            exchange(draft, place)
    return summary


def keeps(sweep: Sweep, summary: Summary) -> bool:
    """Whether a sweep that came to this end is written."""
    return not summary.stopped and not (summary.refused and sweep.file.on_invalid == "error")


def _check(place: Path) -> None:
    """Raises SpecError where a directory cannot be written, or holds what no sweep has written."""
    wrong = None
    if not place.absolute().parent.is_dir():
        wrong = f"there is no folder {place.parent}", "make it first"
    elif place.exists() and not place.is_dir():
        wrong = f"{place} is a file", "give a directory"
    elif place.is_dir() and (strange := sorted({entry.name for entry in place.iterdir()} - _known(place))):
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        wrong = f"{place} holds {strange[0]}{more}, which no sweep has written", "choose another directory, or move it"
    if wrong:
        raise SpecError([Problem("directory", "", *wrong)])


def _known(place: Path) -> set[str]:
    """The files of a directory that its index lists."""
    try:
        index = read_index(place)
    except SpecError:
        return set()
    return {INDEX, TABLE, BASE_FILE, *index["files"]} if index else set()


@contextmanager
def _draft(place: Path) -> Iterator[Path]:
    """A folder beside a place, on the same file system; what is left in it at the end is deleted."""
    folder = place.absolute().parent / f".{place.name}.{os.getpid()}.partial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(variant: Variant, sweep: Sweep, draft: Path, place: Path, form: Form) -> None:
    said = variant.spec.resolved() if form == "resolved" else _overlay(variant, sweep, draft, place)
    with (draft / variant.file).open("x", encoding="utf-8") as opened:
        opened.write(write(said))


def _overlay(variant: Variant, sweep: Sweep, draft: Path, place: Path) -> dict[str, Any]:
    """What a variant says, as a spec that extends the base: without what the base says anyway, as far as that goes."""
    needed = variant.combination
    for pick in variant.combination:
        fewer = tuple(other for other in needed if other is not pick)
        if sweep.choices.says_nothing(pick[1]) and _hash(sweep, _said(variant, fewer)) == variant.report.spec.hash:
            needed = fewer
    head = {"schema_version": SCHEMA_VERSION, "extends": _base(sweep, draft, place), "name": variant.name}
    return {**head, **sweep.laid_over_base, **_said(variant, needed).plain()}


def _hash(sweep: Sweep, overlay: Node) -> str:
    try:
        return sweep.resolved(overlay).hash
    except SpecError:
        return ""


def _said(variant: Variant, combination: Combination) -> Node:
    """What some choices of a variant lay over the base, with what matching adds."""
    overlay = overlay_of(combination)
    return overridden(overlay, variant.match.settings, "match") if variant.match else overlay


def _base(sweep: Sweep, draft: Path, place: Path) -> str:
    """What an overlay in the directory extends; a base that stands in the sweep's file is written beside it."""
    file = sweep.file
    if file.base_name:
        return _from(place, file.folder, file.base_name)
    if not (draft / BASE_FILE).exists():
        said = file.root.mapping["base"].plain()
        if "extends" in said:
            said["extends"] = _from(place, file.folder, said["extends"])
        (draft / BASE_FILE).write_text(write(said), encoding="utf-8")
    return BASE_FILE


def _from(place: Path, folder: Path, name: str) -> str:
    """The name of a spec that is read in one folder, as it is read in another: paths change, shipped names do not."""
    return os.path.relpath(folder / name, place) if (folder / name).is_file() else name
