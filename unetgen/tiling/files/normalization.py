"""Intensity: the numbers of a file as a network takes them, scaled where they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unetgen.tiling.mirror_padding import ImageArray

NormalizationMode = Literal["unit", "zscore", "none"]

NORMALIZATION_MODES: tuple[NormalizationMode, ...] = get_args(NormalizationMode)

# Values that are looked at together when an image's mean is taken.
_MAX_BLOCK_ELEMENTS = 1 << 24


class LazyNormalized:
    """(image - offset) / scale, each (channels, 1, ...), as regions are read."""

    def __init__(self, image: ImageArray, offset: NDArray[Any], scale: NDArray[Any]) -> None:
        self.image = image
        self.shape = image.shape
        spread = (-1, *[1] * (len(image.shape) - 1))
        self.offset, self.scale = offset.reshape(spread), scale.reshape(spread)

    def __getitem__(self, region: Any) -> Any:
        return (np.asarray(self.image[region], np.float32) - self.offset) / self.scale


def normalize_image(image: ImageArray, mode: NormalizationMode) -> ImageArray:
    """An image (channels, *size) whose intensities are what ``how`` says.

    ``unit``: integers over the largest of their type, so from 0 to 1; other numbers as they are. ``zscore``: mean 0
    and deviation 1 in each channel, over the whole image. ``none``: as they are.
    """
    if mode == "zscore":
        mean, deviation = _compute_mean_and_std(image)
        return LazyNormalized(image, mean.astype(np.float32), np.maximum(deviation, 1e-8).astype(np.float32))
    kind = _read_block(image, 0, 1).dtype
    if mode == "unit" and kind.kind in "iu":
        return LazyNormalized(image, np.zeros(1, np.float32), np.full(1, np.iinfo(kind).max, np.float32))
    return image


def _compute_mean_and_std(image: ImageArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and deviation of each channel, in a walk over the image's slabs."""
    count, mean, squares = 0, np.zeros(image.shape[0]), np.zeros(image.shape[0])
    for slab in _iter_slabs(image):
        values = slab.reshape(len(slab), -1).astype(np.float64)
        own, fresh = values.mean(1), values.shape[1]
        # Chan, Golub and LeVeque 1979: two stretches' moments joined without losing digits.
        apart, total = own - mean, count + fresh
        squares += ((values - own[:, None]) ** 2).sum(1) + apart**2 * count * fresh / total
        mean += apart * fresh / total
        count = total
    return mean, np.sqrt(squares / count)


def _iter_slabs(image: ImageArray) -> Iterator[NDArray[Any]]:
    channels, length, *others = image.shape
    step = max(_MAX_BLOCK_ELEMENTS // (channels * int(np.prod(others))), 1)
    for start in range(0, length, step):
        yield _read_block(image, start, min(start + step, length))


def _read_block(image: ImageArray, first: int, last: int) -> NDArray[Any]:
    return np.asarray(image[(slice(None), slice(first, last), *[slice(None)] * (len(image.shape) - 2))])
