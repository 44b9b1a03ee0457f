"""Mode: which combinations of the axes' choices become variants, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from random import Random
from typing import Literal

from unetgen.ablation.axis import Axis, Choice, Combination

ModeName = Literal["grid", "one_at_a_time", "list", "sample"]

Axes = tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class Mode:
    """A way through the axes. A sample has ``n`` combinations, drawn by ``seed``."""

    name: ModeName = "grid"
    n: int | None = None
    seed: int = 0

    def combinations(self, axes: Axes) -> Iterator[Combination]:
        """The combinations one by one; a sample goes on until all have been drawn, each once."""
        if self.name == "sample":
            return _drawn(_in_order(axes), self.seed)
        return _one_at_a_time(axes) if self.name == "one_at_a_time" else _grid(axes)

    def count(self, axes: Axes) -> int:
        """How many combinations there are."""
        return _steps(axes) if self.name == "one_at_a_time" else _size(axes)


def _grid(axes: Axes) -> Iterator[Combination]:
    """Every choice with every other; the last axis changes fastest."""
    if not axes:
        yield ()
        return
    first, *rest = axes
    for choice in first.choices:
        for inside in _grid(choice.inner):
            for others in _grid(tuple(rest)):
                yield ((first, choice), *inside, *others)


def _one_at_a_time(axes: Axes) -> Iterator[Combination]:
    """The base, then every choice by itself; the axes under a choice go one at a time beneath it."""
    yield ()
    for axis in axes:
        for choice in axis.choices:
            for inside in _one_at_a_time(choice.inner):
                yield ((axis, choice), *inside)


def _drawn(axes: Axes, seed: int) -> Iterator[Combination]:
    """The grid's combinations in an order that the seed decides: a shuffle that remembers only what it moved."""
    random, moved, size = Random(seed), dict[int, int](), _size(axes)  # noqa: S311  # nothing secret is drawn
    for position in range(size):
        # Of Random's methods this one is promised to give the same numbers in every version of Python.
        other = position + int(random.random() * (size - position))
        yield _nth(axes, moved.pop(other, other) if other == position else moved.get(other, other))
        if other != position:
            moved[other] = moved.pop(position, position)


def _nth(axes: Axes, index: int) -> Combination:
    """The combination at a place of the grid."""
    combination: Combination = ()
    for number, axis in enumerate(axes):
        index, rest = divmod(index, _size(axes[number + 1 :]))
        for choice in axis.choices:
            inside = _size(choice.inner)
            if index < inside:
                combination += ((axis, choice), *_nth(choice.inner, index))
                break
            index -= inside
        index = rest
    return combination


def _in_order(axes: Axes) -> Axes:
    """The axes in an order of their own, so that a sample does not depend on the file's."""
    ordered = (
        replace(axis, choices=tuple(sorted(map(_inner_in_order, axis.choices), key=lambda choice: choice.label)))
        for axis in axes
    )
    return tuple(sorted(ordered, key=lambda axis: axis.name))


def _inner_in_order(choice: Choice) -> Choice:
    return replace(choice, inner=_in_order(choice.inner))


def _size(axes: Axes) -> int:
    return prod(sum(_size(choice.inner) for choice in axis.choices) for axis in axes)


def _steps(axes: Axes) -> int:
    return 1 + sum(_steps(choice.inner) for axis in axes for choice in axis.choices)
