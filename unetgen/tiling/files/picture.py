"""Picture: an image in a file, as a network takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unetgen.errors import ImageError
from unetgen.tiling.mirror import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """(channels, *size) in a file. ``about`` is what its format keeps beside the pixels."""

    path: Path
    array: Image
    about: Any = None


class Turned:
    """An array whose axes are named in another order, or that has no channels, read as (channels, *size)."""

    def __init__(self, array: Any, channels: int | None) -> None:
        self.array = array
        self.channels = channels
        size = list(array.shape)
        first = 1 if channels is None else size.pop(channels)
        self.shape = (first, *size)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, region: Any) -> Any:
        window = list(region)
        first = window.pop(0)
        if self.channels is None:
            return np.asarray(self.array[tuple(window)])[None][first]
        window.insert(self.channels, first)
        return np.moveaxis(np.asarray(self.array[tuple(window)]), self.channels, 0)


def as_channels_first(path: Path, array: Any, dims: int, channels: int) -> Image:
    """An array as (channels, *size), where ``channels`` is the axis that has them if it has one more than ``dims``.

    Raises ImageError where it has another number of axes, or holds no numbers.
    """
    axes = len(array.shape)
    if np.dtype(array.dtype).kind not in "biuf":
        raise ImageError(f"{path}: holds {array.dtype}, which a network does not take; write real numbers")
    if axes == dims:
        return Turned(array, None)
    if axes == dims + 1:
        return Turned(array, channels % axes)
    shape = " x ".join(map(str, array.shape))
    raise ImageError(
        f"{path}: has {axes} axes ({shape}), this network takes {dims}, or {dims + 1} with channels; "
        "cut the image or take a network of other dims"
    )


# Gives an array to write (channels, *size) to, region by region; the file is there when it is left without an error.
Create = Callable[[Path, Sequence[int], Any, Picture], AbstractContextManager[Any]]


class Format(NamedTuple):
    """A kind of file: how it is read for a network of so many dims, and how a result is written."""

    read: Callable[[Path, int], Picture]
    create: Create
    numbers: bool
    """Whether it can hold any numbers, or labels only."""
