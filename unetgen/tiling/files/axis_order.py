"""Show images to a network with their spatial axes in the order that it was trained with."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

AxisOrder = Literal["xyz", "zyx"]

# The order in which NIfTI stores an image. The axes of other formats have no names, or the order z, y, x.
NIFTI_ORDER: AxisOrder = "xyz"


class ReversedAxes:
    """An array (channels, *size) whose spatial axes appear in reverse order, for reading and writing regions."""

    def __init__(self, array: Any) -> None:
        self.array = array
        channels, *size = array.shape
        self.shape = (channels, *reversed(size))

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, region: Any) -> Any:
        return _reverse(np.asarray(self.array[_reverse_region(region)]))

    def __setitem__(self, region: Any, values: Any) -> None:
        self.array[_reverse_region(region)] = _reverse(np.asarray(values))


def _reverse_region(region: Any) -> tuple[Any, ...]:
    channels, *axes = region
    return (channels, *reversed(axes))


def _reverse(values: Any) -> Any:
    return values.transpose(0, *range(values.ndim - 1, 0, -1))
