"""Order the vertical tracks of arrows in a gap between columns so that no two arrows overlap.

An arrow that enters from the left at the height at which another leaves to the right must turn before the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Lines closer than this look like one line, in points.
OVERLAP_DISTANCE = 2.0


class GapCrossing(NamedTuple):
    """The point where an arrow crosses the border of a gap: a row, and the offset from its middle."""

    level: int
    offset: float

    def overlaps(self, other: GapCrossing | None) -> bool:
        """Return whether two arrows would overlap at this point."""
        return other is not None and self.level == other.level and abs(self.offset - other.offset) < OVERLAP_DISTANCE


class VerticalSegment(NamedTuple):
    """The vertical part of an arrow in a gap; an end is ``None`` if it is on a lane instead of at a box."""

    start: GapCrossing | None
    end: GapCrossing | None

    def must_precede(self, other: VerticalSegment) -> bool:
        """Return whether this segment must be left of the other."""
        return self.start is not None and self.start.overlaps(other.end)


def order_tracks(segments: Sequence[VerticalSegment]) -> list[int]:
    """Return the indices of the segments from left to right, staying close to their given order.

    If segments form a cycle, in which each would have to be first, the first of them is placed first;
    ``find_conflicts`` then reports it.
    """
    waiting, placed = list(range(len(segments))), list[int]()
    while waiting:
        free = (n for n in waiting if not any(segments[m].must_precede(segments[n]) for m in waiting if m != n))
        placed.append(next(free, waiting[0]))
        waiting.remove(placed[-1])
    return placed


def find_conflicts(segments: Sequence[VerticalSegment], order: Sequence[int]) -> list[int]:
    """Return the indices of the segments that overlap a later one in the given order."""
    return [n for i, n in enumerate(order) if any(segments[m].must_precede(segments[n]) for m in order[i + 1 :])]
