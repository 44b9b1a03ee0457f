"""Normalize the intensities of an image as its regions are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import ImageError
from unetgen.preprocessing import Standardization
from unetgen.tiling.mirror_padding import ImageArray

NormalizationMode = Literal["unit", "zscore", "none"]

NORMALIZATION_MODES: tuple[NormalizationMode, ...] = get_args(NormalizationMode)

# The number of values that are read together to compute an image's mean.
_MAX_BLOCK_ELEMENTS = 1 << 24


class LazyNormalized:
    """An image whose regions are read as ``(clip(image) - offset) / scale``, with an offset and scale per channel."""

    def __init__(
        self, image: ImageArray, offset: NDArray[Any], scale: NDArray[Any], clip: tuple[float, float] | None = None
    ) -> None:
        self.image, self.clip = image, clip
        self.shape = image.shape
        per_channel = (-1, *[1] * (len(image.shape) - 1))
        self.offset, self.scale = offset.reshape(per_channel), scale.reshape(per_channel)

    def __getitem__(self, region: Any) -> Any:
        pixels = np.asarray(self.image[region], np.float32)
        return ((np.clip(pixels, *self.clip) if self.clip else pixels) - self.offset) / self.scale


def normalize_image(image: ImageArray, mode: NormalizationMode | Standardization) -> ImageArray:
    """Normalize an image.

    Args:
        image: The image, (channels, *size).
        mode: ``unit``: divide integers by the maximum of their data type; leave other numbers unchanged.
            ``zscore``: mean 0 and standard deviation 1 of each channel, over the whole image. ``none``: unchanged.
            ``Standardization``: fixed numbers for each channel, or one for all.

    Returns:
        The image, (channels, *size), normalized as its regions are read.

    Raises:
        ImageError: The image has another number of channels than the fixed numbers.

    Examples:
        >>> normalize_image(np.array([[[0, 255]]], np.uint8), "unit")[:, 0:1, 0:2].tolist()
        [[[0.0, 1.0]]]
    """
    if isinstance(mode, Standardization):
        return _standardize(image, mode)
    if mode == "zscore":
        mean, std = _compute_mean_and_std(image)
        return LazyNormalized(image, mean.astype(np.float32), np.maximum(std, 1e-8).astype(np.float32))
    dtype = _read_block(image, 0, 1).dtype
    if mode == "unit" and dtype.kind in "iu":
        return LazyNormalized(image, np.zeros(1, np.float32), np.full(1, np.iinfo(dtype).max, np.float32))
    return image


def _standardize(image: ImageArray, fixed: Standardization) -> ImageArray:
    for numbers in (fixed.mean, fixed.std):
        if len(numbers) not in (1, image.shape[0]):
            message = f"normalization has numbers for {len(numbers)} channels, the image has {image.shape[0]}"
            raise ImageError(f"{message}; use an image with the channels of the training")
    mean, std = np.array(fixed.mean, np.float32), np.array(fixed.std, np.float32)
    return LazyNormalized(image, mean, std, fixed.clip)


def _compute_mean_and_std(image: ImageArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """Compute the mean and standard deviation of each channel in one pass over the image's slabs."""
    count, mean, squares = 0, np.zeros(image.shape[0]), np.zeros(image.shape[0])
    for slab in _iter_slabs(image):
        values = slab.reshape(len(slab), -1).astype(np.float64)
        slab_mean, slab_count = values.mean(1), values.shape[1]
        # Chan, Golub and LeVeque (1979): combine the moments of two samples without losing precision.
        delta, total = slab_mean - mean, count + slab_count
        squares += ((values - slab_mean[:, None]) ** 2).sum(1) + delta**2 * count * slab_count / total
        mean += delta * slab_count / total
        count = total
    return mean, np.sqrt(squares / count)


def _iter_slabs(image: ImageArray) -> Iterator[NDArray[Any]]:
    channels, length, *others = image.shape
    step = max(_MAX_BLOCK_ELEMENTS // (channels * int(np.prod(others))), 1)
    for start in range(0, length, step):
        yield _read_block(image, start, min(start + step, length))


def _read_block(image: ImageArray, first: int, last: int) -> NDArray[Any]:
    return np.asarray(image[(slice(None), slice(first, last), *[slice(None)] * (len(image.shape) - 2))])
