"""Mode: which combinations of the axes' choices become variants, in which order."""

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
    """A way through the axes. A sample has ``n`` combinations, drawn by ``seed``."""

    name: ModeName = "grid"
    n: int | None = None
    seed: int = 0

    def iter_combinations(self, axes: Axes) -> Iterator[Combination]:
        """The combinations one by one; a sample goes on until all have been drawn, each once."""
        if self.name == "sample":
            return _iter_shuffled_grid(_sort_axes(axes), self.seed)
        return _iter_one_at_a_time(axes) if self.name == "one_at_a_time" else _iter_grid(axes)

    def count_combinations(self, axes: Axes) -> int:
        """How many combinations there are."""
        return _count_one_at_a_time(axes) if self.name == "one_at_a_time" else _count_grid(axes)


def _iter_grid(axes: Axes) -> Iterator[Combination]:
    """Every choice with every other; the last axis changes fastest."""
    if not axes:
        yield ()
        return
    first, *rest = axes
    for choice in first.choices:
        for inside in _iter_grid(choice.nested_axes):
            for others in _iter_grid(tuple(rest)):
                yield ((first, choice), *inside, *others)


def _iter_one_at_a_time(axes: Axes) -> Iterator[Combination]:
    """The base, then every choice by itself; the axes under a choice go one at a time beneath it."""
    yield ()
    for axis in axes:
        for choice in axis.choices:
            for inside in _iter_one_at_a_time(choice.nested_axes):
                yield ((axis, choice), *inside)


def _iter_shuffled_grid(axes: Axes, seed: int) -> Iterator[Combination]:
    """The grid's combinations in an order that the seed decides: a shuffle that remembers only what it moved."""
    random, moved, size = Random(seed), dict[int, int](), _count_grid(axes)  # noqa: S311  # nothing secret is drawn
    for position in range(size):
        # Of Random's methods this one is promised to give the same numbers in every version of Python.
        other = position + int(random.random() * (size - position))
        yield _get_combination(axes, moved.pop(other, other) if other == position else moved.get(other, other))
        if other != position:
            moved[other] = moved.pop(position, position)


def _get_combination(axes: Axes, index: int) -> Combination:
    """The combination at a place of the grid."""
    combination: Combination = ()
    for number, axis in enumerate(axes):
        index, rest = divmod(index, _count_grid(axes[number + 1 :]))
        for choice in axis.choices:
            inside = _count_grid(choice.nested_axes)
            if index < inside:
                combination += ((axis, choice), *_get_combination(choice.nested_axes, index))
                break
            index -= inside
        index = rest
    return combination


def _sort_axes(axes: Axes) -> Axes:
    """The axes in an order of their own, so that a sample does not depend on the file's."""
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
