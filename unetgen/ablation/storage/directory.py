"""A sweep's directory: one spec for each variant and an index, put in place when all of it is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from unetgen.ablation.storage.index import Index
from unetgen.ablation.storage.overlay import base_seen_from, overlaid
from unetgen.ablation.storage.place import Place
from unetgen.ablation.summary import Summary, walk
from unetgen.ablation.sweep import Outcome, Sweep
from unetgen.ablation.variant import Variant
from unetgen.config.yaml_writer import write

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
    ``hear`` is told every outcome when it is known. Raises SpecError where the directory holds anything else, or
    cannot be written.
    """
    target = Place.named(place)
    target.check()
    with target.draft() as draft, closing(_Files(sweep, target, draft, form)) as files:
        summary = walk(sweep, files.add, *hear, fail_fast=fail_fast)
        files.finish(summary)
        if keeps(sweep, summary):
            target.put(draft)
    return summary


def keeps(sweep: Sweep, summary: Summary) -> bool:
    """Whether a sweep that came to this end is written."""
    return not summary.stopped and not (summary.refused and sweep.file.on_invalid == "error")


class _Files:
    """The specs of a draft, and its index, as variants come."""

    def __init__(self, sweep: Sweep, target: Place, draft: Path, form: Form) -> None:
        self._sweep, self._target, self._draft = sweep, target, draft
        base = base_seen_from(target.folder, sweep) if form == "overlay" else ""
        # What overlays extend; nothing where specs are written out.
        self._extended = base if isinstance(base, str) else BASE_FILE
        with target.telling():
            if not isinstance(base, str):
                (draft / BASE_FILE).write_text(write(base), encoding="utf-8")
            self._index = Index(draft, sweep, base_file="" if isinstance(base, str) else BASE_FILE)

    def add(self, outcome: Outcome) -> None:
        """Writes a variant."""
        if isinstance(outcome, Variant):
            text = write(self._said(outcome))
            with self._target.telling():
                with (self._draft / outcome.file).open("x", encoding="utf-8") as opened:
                    opened.write(text)
                self._index.add(outcome)

    def finish(self, summary: Summary) -> None:
        """Writes what is to be told beside the variants, and all that is still on its way."""
        with self._target.telling():
            self._index.finish(summary)

    def close(self) -> None:
        """Gives up what is not finished."""
        self._index.close()

    def _said(self, variant: Variant) -> dict[str, Any]:
        return overlaid(variant, self._sweep, self._extended) if self._extended else variant.spec.resolved()
