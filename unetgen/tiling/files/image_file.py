"""Picture: an image in a file, as a network takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unetgen.errors import ImageError
from unetgen.tiling.mirror_padding import ImageArray


@dataclass(frozen=True, slots=True)
class ImageFile:
    """(channels, *size) in a file. ``about`` is what its format keeps beside the pixels."""

    path: Path
    array: ImageArray
    metadata: Any = None


class ChannelsFirst:
    """An array whose axes are named in another order, or that has no channels, read as (channels, *size)."""

    def __init__(self, array: Any, channel_axis: int | None) -> None:
        self.array = array
        self.channel_axis = channel_axis
        size = list(array.shape)
        first = 1 if channel_axis is None else size.pop(channel_axis)
        self.shape = (first, *size)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, region: Any) -> Any:
        window = list(region)
        first = window.pop(0)
        if self.channel_axis is None:
            return np.asarray(self.array[tuple(window)])[None][first]
        window.insert(self.channel_axis, first)
        return np.moveaxis(np.asarray(self.array[tuple(window)]), self.channel_axis, 0)


def as_channels_first(path: Path, array: Any, dims: int, channel_axis: int) -> ImageArray:
    """An array as (channels, *size), where ``channels`` is the axis that has them if it has one more than ``dims``.

    Raises ImageError where it has another number of axes, or holds no numbers.
    """
    axes = len(array.shape)
    if np.dtype(array.dtype).kind not in "biuf":
        raise ImageError(f"{path}: holds {array.dtype}, which a network does not take; write real numbers")
    if axes == dims:
        return ChannelsFirst(array, None)
    if axes == dims + 1:
        return ChannelsFirst(array, channel_axis % axes)
    shape = " x ".join(map(str, array.shape))
    raise ImageError(
        f"{path}: has {axes} axes ({shape}), this network takes {dims}, or {dims + 1} with channels; "
        "cut the image or take a network of other dims"
    )


# Gives an array to write (channels, *size) to, region by region; the file is there when it is left without an error.
CreateFunction = Callable[[Path, Sequence[int], Any, ImageFile], AbstractContextManager[Any]]


class ImageFormat(NamedTuple):
    """A kind of file: how it is read for a network of so many dims, and how a result is written."""

    read: Callable[[Path, int], ImageFile]
    create: CreateFunction
    supports_any_dtype: bool
    """Whether it can hold any numbers, or labels only."""
