"""Define an image in a file, in the layout that networks expect."""

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
    """An image (channels, *size) in a file; ``metadata`` depends on the format, such as a NIfTI affine."""

    path: Path
    array: ImageArray
    metadata: Any = None
    has_reversed_axes: bool = False
    """Whether the spatial axes of ``array`` are those of the file in reverse order."""


class ChannelsFirst:
    """A view of an array as (channels, *size), whose channel axis is another or missing (``None``)."""

    def __init__(self, array: Any, channel_axis: int | None) -> None:
        self.array = array
        self.channel_axis = channel_axis
        size = list(array.shape)
        channels = 1 if channel_axis is None else size.pop(channel_axis)
        self.shape = (channels, *size)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, region: Any) -> Any:
        array_region = list(region)
        channels = array_region.pop(0)
        if self.channel_axis is None:
            return np.asarray(self.array[tuple(array_region)])[None][channels]
        array_region.insert(self.channel_axis, channels)
        return np.moveaxis(np.asarray(self.array[tuple(array_region)]), self.channel_axis, 0)


def as_channels_first(path: Path, array: Any, dims: int, channel_axis: int) -> ImageArray:
    """View an array as (channels, *size).

    Args:
        path: The array's file, for error messages.
        array: An array with or without a channel axis.
        dims: The number of the network's spatial dimensions.
        channel_axis: The channel axis, if the array has ``dims + 1`` axes.

    Raises:
        ImageError: The array has another number of axes, or does not hold real numbers.
    """
    num_axes = len(array.shape)
    if np.dtype(array.dtype).kind not in "biuf":
        raise ImageError(f"{path}: data type must be real numbers, not {array.dtype}; convert the image")
    if num_axes == dims:
        return ChannelsFirst(array, None)
    if num_axes == dims + 1:
        return ChannelsFirst(array, channel_axis % num_axes)
    shape = " x ".join(map(str, array.shape))
    raise ImageError(
        f"{path}: must have {dims} axes, or {dims + 1} with channels, not {num_axes} ({shape}); "
        "crop the image, or choose a network of other dims"
    )


# Yields an array to write (channels, *size) to, region by region; the file is complete when the context exits.
CreateFunction = Callable[[Path, Sequence[int], Any, ImageFile], AbstractContextManager[Any]]


class ImageFormat(NamedTuple):
    """A file format: how an image is read for a number of dimensions, and how a result is written."""

    read: Callable[[Path, int], ImageFile]
    create: CreateFunction
    supports_any_dtype: bool
    """Whether it can hold any data type, or labels only."""
