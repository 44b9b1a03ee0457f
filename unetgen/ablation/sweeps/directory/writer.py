"""A sweep's directory: one spec for each variant and an index, put in place when all of it is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from unetgen.ablation.sweeps.directory.index import IndexWriter
from unetgen.ablation.sweeps.directory.overlay_specs import build_overlay_spec, resolve_base_reference
from unetgen.ablation.sweeps.directory.target_directory import TargetDirectory
from unetgen.ablation.sweeps.summary import Summary, process_outcomes
from unetgen.ablation.sweeps.sweep import Outcome, Sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.config.yaml.writer import dump_yaml

# Specs with every default written out, or what is laid over the base alone.
SpecStyle = Literal["resolved", "overlay"]

# A base that stands in the sweep's own file, which overlays need to extend.
BASE_FILE = "base.yaml"


def write_sweep(
    sweep: Sweep,
    directory: Path,
    spec_style: SpecStyle = "resolved",
    *observers: Callable[[Outcome], None],
    fail_fast: bool = False,
) -> Summary:
    """Writes the variants of a sweep to a directory, and returns what else there is to tell.

    A sweep's directory that is there already is replaced when the new one is complete. With the policy ``error``
    nothing is written unless every combination is valid, with ``fail_fast`` the first that is not ends it. Each of
    ``hear`` is told every outcome when it is known. Raises SpecError where the directory holds anything else, or
    cannot be written.
    """
    target = TargetDirectory.from_path(directory)
    target.check()
    with target.staging_directory() as draft, closing(_DirectoryWriter(sweep, target, draft, spec_style)) as files:
        summary = process_outcomes(sweep, files.add, *observers, fail_fast=fail_fast)
        files.finish(summary)
        if is_written(sweep, summary):
            target.install(draft)
    return summary


def is_written(sweep: Sweep, summary: Summary) -> bool:
    """Whether a sweep that came to this end is written."""
    return not summary.stopped_early and not (summary.num_rejected and sweep.definition.on_invalid == "error")


class _DirectoryWriter:
    """The specs of a draft, and its index, as variants come."""

    def __init__(self, sweep: Sweep, target: TargetDirectory, staging_directory: Path, spec_style: SpecStyle) -> None:
        self._sweep, self._target, self._staging_directory = sweep, target, staging_directory
        base = resolve_base_reference(target.real_path, sweep) if spec_style == "overlay" else ""
        # What overlays extend; nothing where specs are written out.
        self._base_reference = base if isinstance(base, str) else BASE_FILE
        with target.translate_os_errors():
            if not isinstance(base, str):
                (staging_directory / BASE_FILE).write_text(dump_yaml(base), encoding="utf-8")
            self._index = IndexWriter(staging_directory, sweep, base_file="" if isinstance(base, str) else BASE_FILE)

    def add(self, outcome: Outcome) -> None:
        """Writes a variant."""
        if isinstance(outcome, Variant):
            text = dump_yaml(self._build_spec_data(outcome))
            with self._target.translate_os_errors():
                with (self._staging_directory / outcome.filename).open("x", encoding="utf-8") as opened:
                    opened.write(text)
                self._index.add(outcome)

    def finish(self, summary: Summary) -> None:
        """Writes what is to be told beside the variants, and all that is still on its way."""
        with self._target.translate_os_errors():
            self._index.finish(summary)

    def close(self) -> None:
        """Gives up what is not finished."""
        self._index.close()

    def _build_spec_data(self, variant: Variant) -> dict[str, Any]:
        return (
            build_overlay_spec(variant, self._sweep, self._base_reference)
            if self._base_reference
            else variant.spec.resolved()
        )
