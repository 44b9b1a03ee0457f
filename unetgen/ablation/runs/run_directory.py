"""Prepare and lock a run directory: a sweep's directory with the results of its trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unetgen.ablation.results.database import DATABASE_FILE, VariantRow
from unetgen.ablation.runs.error_text import format_exception_safely
from unetgen.ablation.runs.inputs.run_input import PluginUsage
from unetgen.ablation.runs.trial import TRIALS_DIRECTORY
from unetgen.ablation.sweeps.definition.sweep_file import read_sweep_definition
from unetgen.ablation.sweeps.directory.index import INDEXED_METRICS, read_index
from unetgen.ablation.sweeps.directory.writer import should_install, write_sweep
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.api import load_spec
from unetgen.atomic_files import is_disk_failure, partial_path
from unetgen.config.registry.registry import Registry
from unetgen.config.spec_resolution import resolve
from unetgen.config.yaml.writer import dump_yaml
from unetgen.errors import MissingDependencyError, PluginError, Problem, RunEnvironmentError, RunError, SpecError


def resolve_run_directory(source: str | Path, out: str | Path | None) -> Path:
    """Return the directory of a run: ``out``, else the sweep's directory, else one named after the sweep file."""
    path = Path(source)
    return Path(out) if out else path if path.is_dir() else Path(path.stem)


@contextmanager
def lock_run_directory(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a directory, also when it is reached by another path.

    Args:
        folder: The directory. It need not exist, but its parent must.

    Raises:
        RunError: Another run holds the lock, or the lock file cannot be written.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise MissingDependencyError("a run", "filelock", "ablation") from None
    real = folder.resolve()
    if not real.parent.is_dir():
        raise RunError(f"directory not found: {folder.parent}; create it first")
    lock = FileLock(real.parent / f".{real.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"another run is using {folder}; wait for it, or choose another directory") from None
    except OSError as error:
        fix = "check the permissions, or choose another directory"
        error_class = RunEnvironmentError if is_disk_failure(error) else RunError
        raise error_class(
            f"cannot create the lock file {lock.lock_file}: {format_exception_safely(error)}; {fix}"
        ) from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # except on Windows, a waiting run then creates a new file
        lock.release()


@dataclass(frozen=True, slots=True)
class SkippedCombinations:
    """The combinations of a sweep that did not become variants, with the reasons as lines of text."""

    refused: Sequence[str] = ()
    failed: Sequence[str] = ()
    invalid: bool = False
    """Whether invalid combinations are errors, by ``on_invalid`` of the sweep file."""


def ensure_variants_written(source: str | Path, folder: Path, registry: Registry) -> SkippedCombinations:
    """Write a sweep's variants to a directory, unless it is the sweep's own directory.

    Args:
        source: The sweep file or directory.
        folder: The run directory.
        registry: The parts.

    Returns:
        The combinations that did not become variants.

    Raises:
        RunError: The directory belongs to something else.
        SpecError: The sweep is invalid, or has no valid variant.
        PluginError: A plugin failed in every variant.
    """
    for partial_file in folder.glob(f"{partial_path(folder / DATABASE_FILE).name}*"):
        partial_file.unlink()  # of a run that was killed while it created the database
    if Path(source).is_dir():
        if Path(source).resolve() != folder.resolve():
            raise RunError(f"{source} is already a sweep directory; remove --out to store the results there")
        if (folder / TRIALS_DIRECTORY).exists():
            trials = folder / TRIALS_DIRECTORY
            raise RunError(f"{trials} exists but {DATABASE_FILE} is missing; move or delete {trials}")
        return SkippedCombinations()
    loaded = sweep(source, registry=registry)
    summary = write_sweep(loaded, folder)
    if summary.problems and (not summary.num_variants or not should_install(loaded, summary)):
        raise SpecError(list(summary.problems))
    if not summary.num_variants:
        raise PluginError(summary.format_failures())
    invalid = summary.num_rejected > 0 and loaded.definition.on_invalid != "skip"
    return SkippedCombinations(summary.format_errors(), summary.format_failures(), invalid)


def load_variants(folder: Path, registry: Registry, usage: PluginUsage) -> tuple[list[VariantRow], dict[str, Any]]:
    """Load the variants of a sweep directory.

    Args:
        folder: The directory.
        registry: The parts.
        usage: Collects the plugins of the variants.

    Returns:
        The variants, and the sweep's name, file and base.

    Raises:
        SpecError: The directory is not that of a sweep, or a spec is invalid.
    """
    index = read_index(folder)
    if index is None:
        hint = "use a sweep file, or a directory that unetgen sweep --out wrote"
        raise SpecError([Problem("index", "", f"{folder} is not a sweep directory", hint)])
    variants = [_load_variant(folder, record, registry, usage) for record in index["variants"]]
    return variants, {"sweep": index["sweep"], "file": index["file"], "base": index["base"]}


def _load_variant(folder: Path, record: dict[str, Any], registry: Registry, usage: PluginUsage) -> VariantRow:
    spec = load_spec(folder / record["file"], registry=registry)
    if spec.hash != record["hash"]:
        what = f"{folder / record['file']} was changed: its hash is not that in the index"
        raise SpecError([Problem("index", "", what, "write the sweep again")])
    usage.add(record["name"], spec)
    costs = {metric.name: record[metric.name] for metric in INDEXED_METRICS}
    shapes = {side: record[side] for side in ("input", "output")}
    return VariantRow(record["name"], spec.hash, dump_yaml(spec.resolved()), record["choices"], costs | shapes)


def check_same_run(
    source: str | Path, folder: Path, settings: dict[str, Any], requested: dict[str, Any], registry: Registry
) -> None:
    """Check that the results in a directory are of the requested sweep, trial, options and plugins.

    Args:
        source: The sweep file or directory.
        folder: The run directory.
        settings: The settings in the results database.
        requested: The requested settings by name; None is not compared.
        registry: The parts.

    Raises:
        RunError: The results are of something else.
    """
    path = Path(source)
    if not path.is_dir():
        _check_same_sweep(path, folder, settings, registry)
    for name, value in requested.items():
        if value is not None and value != settings[name]:
            what = f"the results in {folder} have {name} {settings[name]!r}, not {value!r}"
            raise RunError(f"{what}; use the same, or choose another directory")


def _check_same_sweep(path: Path, folder: Path, settings: dict[str, Any], registry: Registry) -> None:
    """Check that a sweep file still has the content and the base that the results are of. Raise RunError."""
    definition = read_sweep_definition(path, registry)
    if definition.root.to_data() != settings["file"]:
        raise RunError(f"the results in {folder} are not of the sweep {path}; choose another directory")
    hashes = resolve(definition.base, registry).hash, settings["base"]
    if hashes[0] != hashes[1]:
        now, then = (text[:16] for text in hashes)
        what = f"the base of {path} was changed: its hash is {now}, and the results in {folder} are of {then}"
        fix = f"continue with the networks of the results: unetgen run {folder} --resume"
        raise RunError(f"{what}; {fix}, or choose another --out")
