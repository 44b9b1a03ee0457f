"""Augmentation: an image and its mask, changed together as a seed says, by MONAI's transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from unetgen.errors import MissingDependencyError
from unetgen.trials.dataset import Sample

AugmentationName = Literal["none", "flips", "paper"]

_KEYS = ("image", "mask")


def build_augmentation(name: AugmentationName, dims: int) -> Callable[[Sample, int], Sample]:
    """``none``; ``flips`` and quarter turns; ``paper``: also elastic deformations and grey values.

    Ronneberger et al. 2015, section 3.1. What is changed follows from the seed alone, so all variants see the same.
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
    changed = transforms.Compose(steps)

    def augmented(sample: Sample, seed: int) -> Sample:
        changed.set_random_state(seed)
        found: Any = changed({"image": sample.image, "mask": sample.mask[None]})
        image, mask = (np.asarray(found[key]) for key in _KEYS)
        return Sample(sample.name, image.astype(np.float32), mask[0].astype(np.int64))

    return augmented


def _build_paper_transforms(transforms: Any, dims: int) -> list[Any]:
    """Displacements on a coarse grid, smooth in between, and grey values."""
    ways = {"mode": ("bilinear", "nearest"), "padding_mode": "reflection", "prob": 0.8}
    grey = [
        transforms.RandScaleIntensityd("image", factors=0.1, prob=0.8),
        transforms.RandShiftIntensityd("image", offsets=0.1, prob=0.8),
    ]
    if dims == 2:
        return [transforms.Rand2DElasticd(_KEYS, spacing=(32, 32), magnitude_range=(0, 2), **ways), *grey]
    if dims == 3:
        return [transforms.Rand3DElasticd(_KEYS, sigma_range=(5, 8), magnitude_range=(0, 100), **ways), *grey]
    return grey
