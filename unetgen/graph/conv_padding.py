"""Compute the padding of a convolution, and the part of it that needs an op of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from unetgen.graph.ops.base import Size


class ConvPadding(NamedTuple):
    """The padding of a convolution.

    Attributes:
        symmetric: The pixels at both ends of each axis, which the convolution adds itself.
        remainder: The pixels (before, after) of axes whose ends differ, which need a padding op; None if no axis does.
        mode: The padding mode.
    """

    symmetric: Size
    remainder: tuple[Size, Size] | None
    mode: str


@lru_cache(maxsize=1024)
def compute_padding(kernel: Size, stride: Size, dilation: Size, padding: str) -> ConvPadding:
    """Return the padding of a convolution.

    Args:
        kernel: The kernel size per axis.
        stride: The stride per axis.
        dilation: The dilation per axis.
        padding: ``valid`` for none, or the padding mode for an output of ``size / stride``.

    Returns:
        The padding.
    """
    if padding == "valid":
        return ConvPadding((0,) * len(kernel), None, "zeros")
    amounts = [_same_padding(*axis) for axis in zip(kernel, stride, dilation, strict=True)]
    symmetric = tuple(before if before == after else 0 for before, after in amounts)
    asymmetric = [pair if pair[0] != pair[1] else (0, 0) for pair in amounts]
    before, after = (tuple(side) for side in zip(*asymmetric, strict=True))
    remainder = (before, after) if before != after else None
    return ConvPadding(symmetric, remainder, padding if any(symmetric) or remainder else "zeros")


def _same_padding(kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the pixels before and after an axis with which n becomes n / stride, split as by torch's ``same``."""
    total = max(dilation * (kernel - 1) + 1 - stride, 0)
    if stride > 1:
        # A window that starts after the last full stride is dropped, so one surplus pixel changes nothing.
        return -(-total // 2), -(-total // 2)
    return total // 2, total - total // 2
