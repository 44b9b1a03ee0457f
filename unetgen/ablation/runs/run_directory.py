"""The folder of a run: a sweep's directory with results in it, and one run at work there at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unetgen.ablation.results.database import PARTIAL_FILE, VariantRow
from unetgen.ablation.runs.error_text import format_exception_safely
from unetgen.ablation.runs.trial import TRIALS_DIRECTORY
from unetgen.ablation.sweeps.definition.sweep_file import read_sweep_definition
from unetgen.ablation.sweeps.directory.index import INDEXED_METRICS, read_index
from unetgen.ablation.sweeps.directory.writer import is_written, write_sweep
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.api import load_spec
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.writer import dump_yaml
from unetgen.errors import MissingDependencyError, PluginError, Problem, RunError, SpecError


def resolve_run_directory(source: str | Path, out: str | Path | None) -> Path:
    """Where a run has its folder: where it is told, else the sweep's directory, else beside where it is called."""
    path = Path(source)
    return Path(out) if out else path if path.is_dir() else Path(path.stem)


@contextmanager
def lock_run_directory(folder: Path) -> Iterator[None]:
    """Holds a folder, by whatever path it is reached, whatever becomes of the process.

    Raises RunError where another run holds it, or nothing can be written beside it.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise MissingDependencyError("a run", "filelock", "ablation") from None
    real = folder.resolve()
    if not real.parent.is_dir():
        raise RunError(f"there is no folder {folder.parent}; make it first")
    lock = FileLock(real.parent / f".{real.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"another run is at work in {folder}; wait for it, or choose another directory") from None
    except OSError as error:
        way = "allow it, or choose another directory"
        raise RunError(
            f"{lock.lock_file}, which keeps other runs out, cannot be made: {format_exception_safely(error)}; {way}"
        ) from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # who waits for it on other systems than Windows takes a new one
        lock.release()


@dataclass(frozen=True, slots=True)
class SkippedCombinations:
    """What a sweep's combinations that became no variants are missing for, in lines for people."""

    refused: Sequence[str] = ()
    failed: Sequence[str] = ()
    invalid: bool = False
    """Whether the sweep's file wants none refused."""


def ensure_variants_written(source: str | Path, folder: Path, registry: Registry) -> SkippedCombinations:
    """Writes a sweep's variants to a folder, if they are not there already; gives what has become no variant.

    Raises SpecError and PluginError where there is nothing to run.
    """
    for draft in folder.glob(f"{PARTIAL_FILE}*"):
        draft.unlink()  # of a run that was killed before it had results
    if Path(source).is_dir():
        if Path(source).resolve() != folder.resolve():
            raise RunError(f"{source} is written already; leave --out out, and its results lie in it")
        if (folder / TRIALS_DIRECTORY).exists():
            raise RunError(f"{folder / TRIALS_DIRECTORY} is there, of a run whose results are not; move it away")
        return SkippedCombinations()
    opened = sweep(source, registry=registry)
    summary = write_sweep(opened, folder)
    if summary.problems and (not summary.num_variants or not is_written(opened, summary)):
        raise SpecError(list(summary.problems))
    if not summary.num_variants:
        raise PluginError("\n".join(summary.format_failures()))
    invalid = summary.num_rejected > 0 and opened.definition.on_invalid != "skip"
    return SkippedCombinations(summary.format_errors(), summary.format_failures(), invalid)


def load_variants(folder: Path, registry: Registry) -> tuple[list[VariantRow], dict[str, Any]]:
    """The variants of a sweep's directory, and what its index says of the sweep. Raises SpecError."""
    index = read_index(folder)
    if index is None:
        hint = "give a sweep's file, or what unetgen sweep --out has written"
        raise SpecError([Problem("index", "", f"{folder} is no sweep's directory", hint)])
    entries = [_load_variant(folder, record, registry) for record in index["variants"]]
    return entries, {"sweep": index["sweep"], "file": index["file"], "base": index["base"]}


def _load_variant(folder: Path, record: dict[str, Any], registry: Registry) -> VariantRow:
    spec = load_spec(folder / record["file"], registry=registry)
    if spec.hash != record["hash"]:
        what = f"{folder / record['file']} is not the network that the index lists"
        raise SpecError([Problem("index", "", what, "write the sweep again")])
    costs = {measure.name: record[measure.name] for measure in INDEXED_METRICS}
    shapes = {side: record[side] for side in ("input", "output")}
    return VariantRow(record["name"], spec.hash, dump_yaml(spec.resolved()), record["choices"], costs | shapes)


def check_same_run(
    source: str | Path, folder: Path, settings: dict[str, Any], requested: dict[str, Any], registry: Registry
) -> None:
    """Raises RunError where results in a folder are of another sweep, trial or options than are asked for now."""
    path = Path(source)
    if not path.is_dir() and read_sweep_definition(path, registry).root.to_data() != settings["file"]:
        raise RunError(f"{path} is not the sweep that {folder} has results of; choose another directory")
    for name, value in requested.items():
        if value is not None and value != settings[name]:
            was = f"{folder} has results with {name} {settings[name]!r}, not {value!r}"
            raise RunError(f"{was}; give the same, or choose another directory")
