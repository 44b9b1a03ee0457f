"""Load specs from files, names and directories, each under a unique name."""

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


def extract_from_specs(sources: Sequence[str], registry: Registry, extract: Callable[[Spec], T]) -> dict[str, T]:
    """Load specs and extract data from each.

    Args:
        sources: Names and paths of specs, and directories: of a sweep, or of any specs.
        registry: The installed parts.
        extract: Computes the data of a spec.

    Returns:
        The data by spec name, or by source if the name is taken.

    Raises:
        SpecError: Specs are invalid; has all problems.
    """
    data: dict[str, T] = {}
    problems: list[Problem] = []
    for source in _expand_sources(sources):
        try:
            spec = load_spec(source, registry=registry)
            name = spec.name or Path(source).stem
        except SpecError as error:
            problems += error.problems
            continue
        try:
            data[_make_unique_name(name if name not in data else source, data)] = extract(spec)
        except SpecError as error:
            # A problem with the common input size has no location in a file, so it gets its source.
            problems += [
                replace(problem, location=problem.location or SourceLocation(source)) for problem in error.problems
            ]
    if problems:
        raise SpecError(problems)
    return data


def choose_base(name: str | None, sources: Sequence[str], hashes: Mapping[str, str]) -> str:
    """Choose the network that the others are compared with.

    Args:
        name: The requested network (default: the base of a single sweep directory, else the first network).
        sources: Where the networks come from.
        hashes: The spec hash of each network, by name.

    Returns:
        The name of the base.

    Raises:
        SpecError: The requested network is not one of the networks.
    """
    if name is None:
        base_hash = _read_base_hash_of_single_sweep(sources)
        return next((network for network, hash_ in hashes.items() if hash_ == base_hash), next(iter(hashes)))
    if name not in hashes:
        hint = did_you_mean(name, hashes) or f"use one of {', '.join(list(hashes)[:10])}"
        raise SpecError([Problem("base", "", f"{name!r} is not one of the networks", hint)])
    return name


def _read_base_hash_of_single_sweep(sources: Sequence[str]) -> str:
    """Return the base's hash if the only source is a sweep directory, else an empty string."""
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
            hint = "give specs or a sweep directory"
            raise SpecError([Problem("not_found", "", f"no specs found in {source}", hint)])
        yield from (str(folder / file) for file in files)


def _make_unique_name(name: str, taken: dict[str, T]) -> str:
    """Return a name that is not taken: the second of one source is ``name (2)``."""
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name} ({number})"
    return unique
