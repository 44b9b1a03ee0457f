"""Tracks: the order in which arrows go up and down in a gap between columns, so that none lies on another.

An arrow that comes in from the left at the height at which another goes out to the right has to turn before that
other does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Lines nearer than this read as one.
NEAR = 2.0


class Height(NamedTuple):
    """Where an arrow crosses the border of a gap: how far from the middle of which row."""

    level: int
    offset: float

    def touches(self, other: Height | None) -> bool:
        """Whether two arrows would lie on each other there."""
        return other is not None and self.level == other.level and abs(self.offset - other.offset) < NEAR


class Turn(NamedTuple):
    """An arrow in a gap: where it comes in from a box, and where it goes out to one; none where that is a lane."""

    comes: Height | None
    goes: Height | None

    def precedes(self, other: Turn) -> bool:
        """Whether this has to turn first."""
        return self.comes is not None and self.comes.touches(other.goes)


def in_order(turns: Sequence[Turn]) -> list[int]:
    """The numbers of the turns from left to right, as near to the order they have as can be.

    Where arrows change places each would have to be first: one of them is, and is ``crossed`` by the others.
    """
    waiting, placed = list(range(len(turns))), list[int]()
    while waiting:
        free = (n for n in waiting if not any(turns[m].precedes(turns[n]) for m in waiting if m != n))
        placed.append(next(free, waiting[0]))
        waiting.remove(placed[-1])
    return placed


def crossed(turns: Sequence[Turn], order: Sequence[int]) -> list[int]:
    """The numbers of the turns that in an order lie on one that comes in behind them."""
    return [n for at, n in enumerate(order) if any(turns[m].precedes(turns[n]) for m in order[at + 1 :])]
