"""Write a sweep to a directory: a spec for each variant, and an index, moved into place once complete."""

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

# Complete specs with all defaults, or specs that extend the base.
SpecStyle = Literal["resolved", "overlay"]

# Holds the base spec if the sweep file defines it inline; overlay specs extend it.
INLINE_BASE_FILE = "base.yaml"


def write_sweep(
    sweep: Sweep,
    directory: Path,
    spec_style: SpecStyle = "resolved",
    *observers: Callable[[Outcome], None],
    fail_fast: bool = False,
) -> Summary:
    """Write the variants of a sweep to a directory.

    An existing sweep directory is replaced when the new one is complete. With ``on_invalid: error`` nothing is
    written unless every combination is valid.

    Args:
        sweep: The sweep.
        directory: The target directory; it must be new, empty or written by a sweep.
        spec_style: ``resolved`` for complete specs, ``overlay`` for specs that extend the base.
        observers: Functions called with each outcome as soon as it is known.
        fail_fast: Stop after the first invalid or failed combination, and write nothing.

    Returns:
        The summary of all outcomes.

    Raises:
        SpecError: The directory has other content, or cannot be written.
    """
    target = TargetDirectory.from_path(directory)
    target.check()
    with target.staging_directory() as staging, closing(_DirectoryWriter(sweep, target, staging, spec_style)) as writer:
        summary = process_outcomes(sweep, writer.write_variant, *observers, fail_fast=fail_fast)
        writer.write_summary(summary)
        if should_install(sweep, summary):
            target.install(staging)
    return summary


def should_install(sweep: Sweep, summary: Summary) -> bool:
    """Return whether a sweep with this summary is written to its directory."""
    return not summary.stopped_early and not (summary.num_rejected and sweep.definition.on_invalid == "error")


class _DirectoryWriter:
    """Writes specs and index to the staging directory, variant by variant."""

    def __init__(self, sweep: Sweep, target: TargetDirectory, staging_directory: Path, spec_style: SpecStyle) -> None:
        self._sweep, self._target, self._staging_directory = sweep, target, staging_directory
        base = resolve_base_reference(target.real_path, sweep) if spec_style == "overlay" else ""
        # The value of ``extends`` in overlay specs; empty for resolved specs.
        self._base_reference = base if isinstance(base, str) else INLINE_BASE_FILE
        with target.translate_os_errors():
            if not isinstance(base, str):
                (staging_directory / INLINE_BASE_FILE).write_text(dump_yaml(base), encoding="utf-8")
            self._index = IndexWriter(
                staging_directory, sweep, base_file="" if isinstance(base, str) else INLINE_BASE_FILE
            )

    def write_variant(self, outcome: Outcome) -> None:
        """Write the spec of a variant and add it to the index; ignore other outcomes."""
        if isinstance(outcome, Variant):
            text = dump_yaml(self._build_spec_data(outcome))
            with self._target.translate_os_errors():
                with (self._staging_directory / outcome.filename).open("x", encoding="utf-8") as file:
                    file.write(text)
                self._index.add(outcome)

    def write_summary(self, summary: Summary) -> None:
        """Write the summary and flush the index."""
        with self._target.translate_os_errors():
            self._index.finish(summary)

    def close(self) -> None:
        """Close the index without finishing it."""
        self._index.close()

    def _build_spec_data(self, variant: Variant) -> dict[str, Any]:
        return (
            build_overlay_spec(variant, self._sweep, self._base_reference)
            if self._base_reference
            else variant.spec.resolved()
        )
