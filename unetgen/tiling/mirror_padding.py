"""Read one tile of an image that is mirrored at its borders, without reading the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class ImageArray(Protocol):
    """An image (channels, *size) that regions can be read from, such as an array of numpy or zarr."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, region: Any) -> Any: ...


def read_mirrored(image: ImageArray, starts: Sequence[int], size: Sequence[int]) -> NDArray[Any]:
    """Read a region of an image that is mirrored before its first and behind its last pixels.

    The border pixel is not repeated, as in torch's ``reflect`` mode; unlike there, the mirrored part may be larger than
    the image.

    Args:
        image: The image, (channels, *size).
        starts: The first index along each axis; it may be negative.
        size: The size of the region.

    Returns:
        The region, (channels, *size).

    Examples:
        >>> read_mirrored(np.array([[0, 1, 2]]), [-2], [6])
        array([[2, 1, 0, 1, 2, 1]])
    """
    indices = [
        mirror_indices(np.arange(start, start + length), image_length)
        for start, length, image_length in zip(starts, size, image.shape[1:], strict=True)
    ]
    # Read one block that contains all indices, since a file may support slices only.
    region = tuple(slice(int(axis_indices.min()), int(axis_indices.max()) + 1) for axis_indices in indices)
    block = np.asarray(image[(slice(None), *region)])
    for axis, (axis_indices, window) in enumerate(zip(indices, region, strict=True), start=1):
        if len(axis_indices) != block.shape[axis] or (np.diff(axis_indices) != 1).any():
            block = block.take(axis_indices - window.start, axis=axis)
    return block


def mirror_indices(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Map indices of an endlessly mirrored axis to indices of its pixels."""
    if length == 1:
        return np.zeros_like(index)
    folded: NDArray[np.int64] = np.abs(index) % (2 * (length - 1))
    return np.where(folded < length, folded, 2 * (length - 1) - folded)
