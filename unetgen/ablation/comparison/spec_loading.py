"""Gathering: many specs from files, names and directories, each under a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from unetgen.ablation.sweeps.directory.index import read_index
from unetgen.api import load_spec
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import Problem, SourceLocation, SpecError, did_you_mean

T = TypeVar("T")


def load_specs(sources: Sequence[str], registry: Registry, extract: Callable[[Spec], T]) -> dict[str, T]:
    """What is read of every spec, by its name; by its source where another has the name already.

    A directory stands for the variants that its index lists, or for all specs in it. Raises SpecError with everything
    that is wrong with any of them.
    """
    found: dict[str, T] = {}
    problems: list[Problem] = []
    for source in _expand_sources(sources):
        try:
            spec = load_spec(source, registry=registry)
            name = spec.name or Path(source).stem
        except SpecError as error:
            problems += error.problems
            continue
        try:
            found[_make_unique_name(name if name not in found else source, found)] = extract(spec)
        except SpecError as error:
            # What is wrong with one network at a size that all are measured at is in nobody's file.
            problems += [replace(problem, mark=problem.mark or SourceLocation(source)) for problem in error.problems]
    if problems:
        raise SpecError(problems)
    return found


def choose_base(name: str | None, sources: Sequence[str], hashes: Mapping[str, str]) -> str:
    """The network that the others are measured by: the one asked for, else a lone directory's base, else the first.

    ``hashes`` are the networks' own, by their names. Raises SpecError where there is none of that name.
    """
    if name is None:
        base = _read_base_hash(sources)
        return next((network for network, own in hashes.items() if own == base), next(iter(hashes)))
    if name not in hashes:
        hint = did_you_mean(name, hashes) or f"there are {', '.join(list(hashes)[:10])}"
        raise SpecError([Problem("base", "", f"{name!r} is not among the networks", hint)])
    return name


def _read_base_hash(sources: Sequence[str]) -> str:
    """The hash of the base of the sweep that a lone directory holds; nothing of other sources."""
    index = read_index(Path(sources[0])) if len(sources) == 1 else None
    return str(index["base"]) if index else ""


def _expand_sources(sources: Sequence[str]) -> Iterator[str]:
    for source in sources:
        folder = Path(source)
        if not folder.is_dir():
            yield source
            continue
        index = read_index(folder)
        files = index["files"] if index else sorted(path.name for path in folder.glob("*.yaml"))
        if not files:
            hint = "give specs, or the directory of a sweep"
            raise SpecError([Problem("not_found", "", f"there are no specs in {source}", hint)])
        yield from (str(folder / file) for file in files)


def _make_unique_name(name: str, taken: dict[str, T]) -> str:
    """A name that nothing has: the second of one source is ``name (2)``."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free
