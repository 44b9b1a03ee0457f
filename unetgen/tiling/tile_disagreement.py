"""Measure by how much overlapping tiles differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.tiling.plan import TileSpan


class TileDisagreement:
    """The largest difference between overlapping tiles so far, or the number of labels that differ."""

    def __init__(self) -> None:
        self.max_difference = 0.0
        self.max_output = 0.0
        self.num_pixels = 0
        self.differing_labels = 0
        self.has_labels = False

    def update(self, out: Any, result: NDArray[Any], position: Sequence[TileSpan]) -> None:
        """Compare a tile's result with the pixels that earlier tiles have written.

        Args:
            out: The image's result so far, (channels, *size).
            result: The tile's result, (channels, *size).
            position: The tile's span along each axis.
        """
        self.has_labels = result.dtype.kind in "iu"
        for strip in _iter_written_strips(position):
            earlier = np.asarray(out[(slice(None), *(slice(a, b) for a, b in strip))])
            region = tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(strip, position, strict=True))
            current = result[(slice(None), *region)]
            if not earlier.size:
                continue
            self.num_pixels += earlier.size
            self.differing_labels += int((earlier != current).sum())
            if not self.has_labels:
                self.max_difference = max(self.max_difference, float(np.abs(earlier - current).max()))
                self.max_output = max(self.max_output, float(np.abs(earlier).max()))

    def __str__(self) -> str:
        if not self.num_pixels:
            return "tiles do not overlap, so the difference cannot be measured"
        if self.has_labels:
            return f"overlapping tiles differ in {self.differing_labels / self.num_pixels:.2%} of the labels"
        return f"overlapping tiles differ by up to {self.max_difference:.3g}, in outputs of up to {self.max_output:.3g}"


def _iter_written_strips(position: Sequence[TileSpan]) -> Iterator[list[tuple[int, int]]]:
    """Yield the strips of a tile that earlier tiles have written, without duplicate pixels.

    Tiles run in row-major order, so all pixels before a tile along one axis are done, for any position along the axes
    after it.
    """
    for axis in range(len(position)):
        inner = [(s.first, s.stop) for s in position[:axis]]
        strip = (position[axis].first_valid, position[axis].first)
        yield [*inner, strip, *((s.first_valid, s.stop) for s in position[axis + 1 :])]
