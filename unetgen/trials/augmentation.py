"""Augment an image and its mask together, reproducibly by seed, with MONAI's transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from unetgen.errors import MissingDependencyError
from unetgen.trials.dataset import Sample

AugmentationName = Literal["none", "flips", "paper"]

_KEYS = ("image", "mask")


def build_augmentation(name: AugmentationName, dims: int) -> Callable[[Sample, int], Sample]:
    """Build a function that augments a sample.

    Args:
        name: ``none``; ``flips``: flips and quarter turns; ``paper``: also elastic deformations and intensity changes
            (Ronneberger et al. 2015, section 3.1).
        dims: The number of spatial dimensions.

    Returns:
        A function from a sample and a seed to the augmented sample. The result depends on nothing else, so that all
        variants of a sweep see the same images.

    Raises:
        MissingDependencyError: MONAI is not installed.
    """
    if name == "none":
        return lambda sample, seed: sample
    try:
        from monai import transforms
    except ImportError:
        raise MissingDependencyError("augmentation", "monai", "trials") from None
    steps = [transforms.RandFlipd(_KEYS, prob=0.5, spatial_axis=axis) for axis in range(dims)]
    if dims > 1:
        steps.append(transforms.RandRotate90d(_KEYS, prob=0.75, spatial_axes=(dims - 2, dims - 1)))
    if name == "paper":
        steps += _build_paper_transforms(transforms, dims)
    transform = transforms.Compose(steps)

    def augment(sample: Sample, seed: int) -> Sample:
        transform.set_random_state(seed)
        augmented: Any = transform({"image": sample.image, "mask": sample.mask[None]})
        image, mask = (np.asarray(augmented[key]) for key in _KEYS)
        return Sample(sample.name, image.astype(np.float32), mask[0].astype(np.int64))

    return augment


def _build_paper_transforms(transforms: Any, dims: int) -> list[Any]:
    """Return elastic deformations by smoothed displacements on a coarse grid, and intensity changes."""
    options = {"mode": ("bilinear", "nearest"), "padding_mode": "reflection", "prob": 0.8}
    intensity = [
        transforms.RandScaleIntensityd("image", factors=0.1, prob=0.8),
        transforms.RandShiftIntensityd("image", offsets=0.1, prob=0.8),
    ]
    if dims == 2:
        return [transforms.Rand2DElasticd(_KEYS, spacing=(32, 32), magnitude_range=(0, 2), **options), *intensity]
    if dims == 3:
        return [transforms.Rand3DElasticd(_KEYS, sigma_range=(5, 8), magnitude_range=(0, 100), **options), *intensity]
    return intensity
