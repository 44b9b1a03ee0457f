"""Seams: how far tiles are from their neighbours, on pixels that both of them could decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.tiling.plan import Stretch


class Seams:
    """The largest difference that was met so far; of labels, how many are not the neighbour's."""

    def __init__(self) -> None:
        self.apart = 0.0
        self.reach = 0.0
        self.pixels = 0
        self.unlike = 0
        self.of_labels = False

    def meet(self, out: Any, result: NDArray[Any], place: Sequence[Stretch]) -> None:
        """Compares what a tile makes of decided pixels, (channels, *size), with what was decided."""
        self.of_labels = result.dtype.kind in "iu"
        for strip in _decided(place):
            there = np.asarray(out[(slice(None), *(slice(a, b) for a, b in strip))])
            here = tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(strip, place, strict=True))
            mine = result[(slice(None), *here)]
            if not there.size:
                continue
            self.pixels += there.size
            self.unlike += int((there != mine).sum())
            if not self.of_labels:
                self.apart = max(self.apart, float(np.abs(there - mine).max()))
                self.reach = max(self.reach, float(np.abs(there).max()))

    def __str__(self) -> str:
        if not self.pixels:
            return "tiles do not overlap, so nothing can be said of how much that changes"
        if self.of_labels:
            return f"where tiles overlap {self.unlike / self.pixels:.2%} of the labels are not the neighbour's"
        return f"where tiles overlap they are up to {self.apart:.3g} apart, in outputs of up to {self.reach:.3g}"


def _decided(place: Sequence[Stretch]) -> Iterator[list[tuple[int, int]]]:
    """The strips of a tile that earlier tiles have decided, each pixel once.

    Tiles come in the order of their axes, so all that lies before a tile along one axis is done, whatever stands after
    that axis.
    """
    for axis in range(len(place)):
        inner = [(s.first, s.last) for s in place[:axis]]
        strip = (place[axis].seen, place[axis].first)
        yield [*inner, strip, *((s.seen, s.last) for s in place[axis + 1 :])]
