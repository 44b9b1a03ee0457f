"""Reading a tile of an image that is mirrored at its borders, and nothing but that tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class ImageArray(Protocol):
    """What an image must have: an array of numpy, one mapped to a file, or one of zarr."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, region: Any) -> Any: ...


def read_mirrored(image: ImageArray, starts: Sequence[int], size: Sequence[int]) -> NDArray[Any]:
    """(channels, *size) from where it starts along each axis; before 0 and behind the end the image is mirrored.

    The pixel at the border is not repeated, as torch's ``reflect`` has it; unlike there it may be mirrored many times.
    """
    indices = [
        mirror_indices(np.arange(start, start + length), whole)
        for start, length, whole in zip(starts, size, image.shape[1:], strict=True)
    ]
    # One block that holds them all is read, whatever the image lies in.
    region = tuple(slice(int(found.min()), int(found.max()) + 1) for found in indices)
    block = np.asarray(image[(slice(None), *region)])
    for axis, (found, window) in enumerate(zip(indices, region, strict=True), start=1):
        if len(found) != block.shape[axis] or (np.diff(found) != 1).any():
            block = block.take(found - window.start, axis=axis)
    return block


def mirror_indices(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """The pixels that stand at indices of an endlessly mirrored axis."""
    if length == 1:
        return np.zeros_like(index)
    folded: NDArray[np.int64] = np.abs(index) % (2 * (length - 1))
    return np.where(folded < length, folded, 2 * (length - 1) - folded)
