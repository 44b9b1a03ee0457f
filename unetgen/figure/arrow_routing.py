"""Tracks: the order in which arrows go up and down in a gap between columns, so that none lies on another.

An arrow that comes in from the left at the height at which another goes out to the right has to turn before that
other does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Lines nearer than this read as one.
OVERLAP_DISTANCE = 2.0


class GapCrossing(NamedTuple):
    """Where an arrow crosses the border of a gap: how far from the middle of which row."""

    level: int
    offset: float

    def overlaps(self, other: GapCrossing | None) -> bool:
        """Whether two arrows would lie on each other there."""
        return other is not None and self.level == other.level and abs(self.offset - other.offset) < OVERLAP_DISTANCE


class VerticalSegment(NamedTuple):
    """An arrow in a gap: where it comes in from a box, and where it goes out to one; none where that is a lane."""

    start: GapCrossing | None
    end: GapCrossing | None

    def must_precede(self, other: VerticalSegment) -> bool:
        """Whether this has to turn first."""
        return self.start is not None and self.start.overlaps(other.end)


def order_tracks(segments: Sequence[VerticalSegment]) -> list[int]:
    """The numbers of the turns from left to right, as near to the order they have as can be.

    Where arrows change places each would have to be first: one of them is, and is ``crossed`` by the others.
    """
    waiting, placed = list(range(len(segments))), list[int]()
    while waiting:
        free = (n for n in waiting if not any(segments[m].must_precede(segments[n]) for m in waiting if m != n))
        placed.append(next(free, waiting[0]))
        waiting.remove(placed[-1])
    return placed


def find_conflicts(segments: Sequence[VerticalSegment], order: Sequence[int]) -> list[int]:
    """The numbers of the turns that in an order lie on one that comes in behind them."""
    return [n for at, n in enumerate(order) if any(segments[m].must_precede(segments[n]) for m in order[at + 1 :])]
