"""Seams: how far tiles are from their neighbours, on pixels that both of them could decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.tiling.plan import TileSpan


class TileDisagreement:
    """The largest difference that was met so far; of labels, how many are not the neighbour's."""

    def __init__(self) -> None:
        self.max_difference = 0.0
        self.max_output = 0.0
        self.num_pixels = 0
        self.differing_labels = 0
        self.has_labels = False

    def update(self, out: Any, result: NDArray[Any], position: Sequence[TileSpan]) -> None:
        """Compares what a tile makes of decided pixels, (channels, *size), with what was decided."""
        self.has_labels = result.dtype.kind in "iu"
        for strip in _iter_decided_strips(position):
            there = np.asarray(out[(slice(None), *(slice(a, b) for a, b in strip))])
            here = tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(strip, position, strict=True))
            mine = result[(slice(None), *here)]
            if not there.size:
                continue
            self.num_pixels += there.size
            self.differing_labels += int((there != mine).sum())
            if not self.has_labels:
                self.max_difference = max(self.max_difference, float(np.abs(there - mine).max()))
                self.max_output = max(self.max_output, float(np.abs(there).max()))

    def __str__(self) -> str:
        if not self.num_pixels:
            return "tiles do not overlap, so nothing can be said of how much that changes"
        if self.has_labels:
            return f"where tiles overlap {self.differing_labels / self.num_pixels:.2%} of the labels are not the neighbour's"
        return f"where tiles overlap they are up to {self.max_difference:.3g} apart, in outputs of up to {self.max_output:.3g}"


def _iter_decided_strips(position: Sequence[TileSpan]) -> Iterator[list[tuple[int, int]]]:
    """The strips of a tile that earlier tiles have decided, each pixel once.

    Tiles come in the order of their axes, so all that lies before a tile along one axis is done, whatever stands after
    that axis.
    """
    for axis in range(len(position)):
        inner = [(s.first, s.stop) for s in position[:axis]]
        strip = (position[axis].first_valid, position[axis].first)
        yield [*inner, strip, *((s.first_valid, s.stop) for s in position[axis + 1 :])]
