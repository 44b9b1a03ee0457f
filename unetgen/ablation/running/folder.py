"""The folder of a run: a sweep's directory with results in it, and one run at work there at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unetgen.ablation.from_yaml.sweep_file import read_sweep
from unetgen.ablation.results.ledger import Entry
from unetgen.ablation.running.trial import TRIALS
from unetgen.ablation.storage.directory import keeps, write_sweep
from unetgen.ablation.storage.index import LISTED, read_index
from unetgen.ablation.summary import Summary
from unetgen.ablation.sweep import sweep
from unetgen.api import load_spec
from unetgen.config.registry import Registry
from unetgen.config.yaml_writer import write
from unetgen.errors import MissingExtra, Problem, RunError, SpecError


def place_of(source: str | Path, out: str | Path | None) -> Path:
    """Where a run has its folder: where it is told, else the sweep's directory, else beside where it is called."""
    path = Path(source)
    return Path(out) if out else path if path.is_dir() else Path(path.stem)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a folder, whatever becomes of the process. Raises RunError where another run holds it."""
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise MissingExtra("a run", "filelock", "ablation") from None
    if not folder.absolute().parent.is_dir():
        raise RunError(f"there is no folder {folder.parent}; make it first")
    place = folder.absolute().parent / f".{folder.name}.lock"
    try:
        with FileLock(place, timeout=0):
            try:
                yield
            finally:
                place.unlink(missing_ok=True)  # who waits for it on other systems than Windows takes a new one
    except Timeout:
        raise RunError(f"another run is at work in {folder}; wait for it, or choose another directory") from None


def written(source: str | Path, folder: Path, registry: Registry) -> Summary | None:
    """Writes a sweep's variants to a folder, if they are not there already; gives what else is to be told.

    Raises SpecError where there is nothing to run.
    """
    if Path(source).is_dir():
        if Path(source).resolve() != folder.resolve():
            raise RunError(f"{source} is written already; leave --out out, and its results lie in it")
        if (folder / TRIALS).exists():
            raise RunError(f"{folder / TRIALS} is there, of a run whose results are not; move it away")
        return None
    opened = sweep(source, registry=registry)
    summary = write_sweep(opened, folder)
    if not keeps(opened, summary):
        raise SpecError(list(summary.problems))
    if not summary.variants:
        raise SpecError(
            list(summary.problems) or [Problem("empty", "", f"{opened.file.name} has no variants", "add some")]
        )
    return summary


def listed(folder: Path, registry: Registry) -> tuple[list[Entry], dict[str, Any]]:
    """The variants of a sweep's directory, and what its index says of the sweep. Raises SpecError."""
    index = read_index(folder)
    if index is None:
        hint = "give a sweep's file, or what unetgen sweep --out has written"
        raise SpecError([Problem("index", "", f"{folder} is no sweep's directory", hint)])
    entries = [_entry(folder, record, registry) for record in index["variants"]]
    return entries, {"sweep": index["sweep"], "file": index["file"], "base": index["base"]}


def _entry(folder: Path, record: dict[str, Any], registry: Registry) -> Entry:
    spec = load_spec(folder / record["file"], registry=registry)
    if spec.hash != record["hash"]:
        what = f"{folder / record['file']} is not the network that the index lists"
        raise SpecError([Problem("index", "", what, "write the sweep again")])
    costs = {measure.name: record[measure.name] for measure in LISTED}
    shapes = {side: record[side] for side in ("input", "output")}
    return Entry(record["name"], spec.hash, write(spec.resolved()), record["choices"], costs | shapes)


def check_same(
    source: str | Path, folder: Path, settings: dict[str, Any], told: dict[str, Any], registry: Registry
) -> None:
    """Raises RunError where results in a folder are of another sweep, trial or options than are asked for now."""
    path = Path(source)
    if not path.is_dir() and read_sweep(path, registry).root.plain() != settings["file"]:
        raise RunError(f"{path} is not the sweep that {folder} has results of; choose another directory")
    for name, value in told.items():
        if value is not None and value != settings[name]:
            was = f"{folder} has results with {name} {settings[name]!r}, not {value!r}"
            raise RunError(f"{was}; give the same, or choose another directory")
