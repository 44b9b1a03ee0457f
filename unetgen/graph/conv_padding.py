"""How many pixels a convolution needs around its input, and which of them it cannot add itself."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from unetgen.graph.ops.base import Size


class ConvPadding(NamedTuple):
    """The padding of a convolution: equal at both ends, what it cannot do itself (before, after), and the mode."""

    symmetric: Size
    remainder: tuple[Size, Size] | None
    mode: str


@lru_cache(maxsize=1024)
def compute_padding(kernel: Size, stride: Size, dilation: Size, padding: str) -> ConvPadding:
    """The border of a convolution; ``padding`` is ``valid``, or the mode of a same-size (exactly divided) output."""
    if padding == "valid":
        return ConvPadding((0,) * len(kernel), None, "zeros")
    amounts = [_same_padding(*axis) for axis in zip(kernel, stride, dilation, strict=True)]
    even = tuple(before if before == after else 0 for before, after in amounts)
    rest = [pair if pair[0] != pair[1] else (0, 0) for pair in amounts]
    before, after = (tuple(side) for side in zip(*rest, strict=True))
    uneven = (before, after) if before != after else None
    return ConvPadding(even, uneven, padding if any(even) or uneven else "zeros")


def _same_padding(kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Pixels before and after an axis so that n pixels become n / stride, as torch's own 'same' splits them."""
    total = max(dilation * (kernel - 1) + 1 - stride, 0)
    if stride > 1:
        # A window that starts past the last whole stride is dropped, so one pixel too many does no harm.
        return -(-total // 2), -(-total // 2)
    return total // 2, total - total // 2
