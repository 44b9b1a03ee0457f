"""Enumerate the combinations of the axes' choices in the order of a sweep mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from random import Random
from typing import Literal

from unetgen.ablation.sweeps.axis import Axis, Choice, Combination

ModeName = Literal["grid", "one_at_a_time", "list", "sample"]

Axes = tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class SweepMode:
    """Which combinations a sweep has. Mode ``sample`` takes ``n`` of the grid at random, with ``seed``."""

    name: ModeName = "grid"
    n: int | None = None
    seed: int = 0

    def iter_combinations(self, axes: Axes) -> Iterator[Combination]:
        """Yield the combinations; a sample yields the whole grid in random order, each combination once."""
        if self.name == "sample":
            return _iter_shuffled_grid(_sort_axes(axes), self.seed)
        return _iter_one_at_a_time(axes) if self.name == "one_at_a_time" else _iter_grid(axes)

    def count_combinations(self, axes: Axes) -> int:
        """Return the number of combinations; for a sample, of the grid."""
        return _count_one_at_a_time(axes) if self.name == "one_at_a_time" else _count_grid(axes)


def _iter_grid(axes: Axes) -> Iterator[Combination]:
    """Yield every combination of choices; the last axis changes fastest."""
    if not axes:
        yield ()
        return
    first, *rest = axes
    for choice in first.choices:
        for nested in _iter_grid(choice.nested_axes):
            for others in _iter_grid(tuple(rest)):
                yield ((first, choice), *nested, *others)


def _iter_one_at_a_time(axes: Axes) -> Iterator[Combination]:
    """Yield the base, then every choice alone; nested axes also vary one at a time."""
    yield ()
    for axis in axes:
        for choice in axis.choices:
            for nested in _iter_one_at_a_time(choice.nested_axes):
                yield ((axis, choice), *nested)


def _iter_shuffled_grid(axes: Axes, seed: int) -> Iterator[Combination]:
    """Yield the grid's combinations in random order: a Fisher-Yates shuffle that stores only moved positions."""
    random, moved, size = Random(seed), dict[int, int](), _count_grid(axes)  # noqa: S311  # not used for security
    for position in range(size):
        # random() is the only method of Random whose values are the same in every Python version.
        other = position + int(random.random() * (size - position))
        yield _get_combination(axes, moved.pop(other, other) if other == position else moved.get(other, other))
        if other != position:
            moved[other] = moved.pop(position, position)


def _get_combination(axes: Axes, index: int) -> Combination:
    """Return the combination at an index of the grid."""
    combination: Combination = ()
    for position, axis in enumerate(axes):
        index, rest = divmod(index, _count_grid(axes[position + 1 :]))
        for choice in axis.choices:
            nested_count = _count_grid(choice.nested_axes)
            if index < nested_count:
                combination += ((axis, choice), *_get_combination(choice.nested_axes, index))
                break
            index -= nested_count
        index = rest
    return combination


def _sort_axes(axes: Axes) -> Axes:
    """Sort axes and choices by name, so that a sample does not depend on their order in the file."""
    ordered = (
        replace(axis, choices=tuple(sorted(map(_sort_nested_axes, axis.choices), key=lambda choice: choice.label)))
        for axis in axes
    )
    return tuple(sorted(ordered, key=lambda axis: axis.name))


def _sort_nested_axes(choice: Choice) -> Choice:
    return replace(choice, nested_axes=_sort_axes(choice.nested_axes))


def _count_grid(axes: Axes) -> int:
    return prod(sum(_count_grid(choice.nested_axes) for choice in axis.choices) for axis in axes)


def _count_one_at_a_time(axes: Axes) -> int:
    return 1 + sum(_count_one_at_a_time(choice.nested_axes) for axis in axes for choice in axis.choices)
