"""Samples: images with masks as a network takes them, and which of them it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import ImageError, MissingDependencyError
from unetgen.graph.graph import Graph
from unetgen.tiling.postprocessing import has_probability_output
from unetgen.trials.image_pairs import ImagePair, read_pairs

# More values than that are no classes, but a picture with soft edges.
_MAX_CLASSES = 64


@dataclass(frozen=True)
class Sample:
    """An image (channels, *size) of mean 0 and deviation 1, and the class of each of its pixels, (*size)."""

    name: str
    image: NDArray[np.float32]
    mask: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """Images with masks. ``values`` are the masks' own numbers of the classes 0, 1, ..."""

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    class_values: tuple[int, ...]

    @classmethod
    def read(cls, images: Path, masks: Path, dims: int, validation_fraction: float = 0.2, reduce: int = 1) -> Dataset:
        """The last share of the images, in the order of their numbers, is for validation.

        They are split by files, or by slices of a stack, never by pixels, and in one block, since neighbours look
        alike. ``reduce`` takes the mean of so many pixels on each axis, and the most frequent class. Raises ImageError.
        """
        pairs = read_pairs(images, masks, dims)
        if len(pairs) < 2:
            raise ImageError(f"{images}: holds one image, too few to learn from some and validate on others; add some")
        held = min(max(1, round(validation_fraction * len(pairs))), len(pairs) - 1)
        values = _find_class_values(masks, pairs)
        made = [_build_sample(pair, values, reduce) for pair in pairs]
        return cls(tuple(made[:-held]), tuple(made[-held:]), tuple(int(value) for value in values))

    @property
    def num_classes(self) -> int:
        """How many classes the masks have."""
        return len(self.class_values)

    def find_object_class(self, value: int | None) -> int | None:
        """The class of one of the masks' own numbers. Raises ImageError of one that no held-out mask has."""
        if value is None:
            return None
        if value not in self.class_values:
            raise ImageError(
                f"objects: no mask has the value {value}; they have {', '.join(map(str, self.class_values))}"
            )
        number = self.class_values.index(value)
        if not any((sample.mask == number).any() for sample in self.validation):
            what = f"no held-out mask has the value {value}, so nothing would be scored"
            raise ImageError(f"objects: {what}; raise validation, or leave objects out")
        return number


def _find_class_values(masks: Path, pairs: list[ImagePair]) -> NDArray[Any]:
    """The numbers that stand for classes, in order."""
    values = np.unique(np.concatenate([np.unique(pair.mask) for pair in pairs]))
    if len(values) > _MAX_CLASSES:
        what = f"the masks have {len(values)} values, as pictures with soft edges have"
        raise ImageError(f"{masks}: {what}; a mask has one number for each class")
    if len(values) < 2:
        raise ImageError(f"{masks}: all masks are {int(values[0])} everywhere; mark what is to be told from the rest")
    return values


def _build_sample(pair: ImagePair, class_values: NDArray[Any], reduce: int) -> Sample:
    pixels, mask = pair.image.astype(np.float32), np.searchsorted(class_values, pair.mask)
    if reduce > 1:
        pixels, mask = _reduce_blocks(pair.name, pixels, mask, reduce, len(class_values))
    axes = tuple(range(1, pixels.ndim))
    deviation = pixels.std(axes, keepdims=True)
    scaled = (pixels - pixels.mean(axes, keepdims=True)) / np.maximum(deviation, 1e-8)
    return Sample(pair.name, scaled.astype(np.float32), mask.astype(np.int64))


def _reduce_blocks(
    name: str, image: NDArray[Any], mask: NDArray[Any], reduce: int, num_classes: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means of blocks, and their most frequent classes; pixels that fill no block are left out."""
    try:
        from skimage.measure import block_reduce
    except ImportError:
        raise MissingDependencyError("reduce", "scikit-image", "trials") from None
    if min(mask.shape) < reduce:
        size = " x ".join(map(str, mask.shape))
        raise ImageError(f"{name}: of {size} pixels nothing is left by reduce={reduce}; choose a smaller one")
    whole = tuple(slice(0, length - length % reduce) for length in mask.shape)
    block = (reduce,) * mask.ndim
    shares = [block_reduce((mask[whole] == number).astype(np.float32), block, np.mean) for number in range(num_classes)]
    pixels = np.stack([block_reduce(channel[whole], block, np.mean) for channel in image])
    return pixels, np.argmax(np.stack(shares), 0)


def check_dataset(dataset: Dataset, graph: Graph) -> None:
    """Raises ImageError where a network cannot learn from such images and masks."""
    for sample in (*dataset.train, *dataset.validation):
        if len(sample.image) != graph.in_channels:
            what = f"has {len(sample.image)} channels, the network takes {graph.in_channels}"
            raise ImageError(f"{sample.name}: {what}; set in_channels in the sweep's base")
    told = max(graph.out_channels, 2)  # one channel tells two classes
    if dataset.num_classes > told:
        values = ", ".join(map(str, dataset.class_values))
        what = f"the masks have {dataset.num_classes} classes ({values}), the network tells {told}"
        raise ImageError(f"{what}; set out_channels: {dataset.num_classes} in the sweep's base")
    if has_probability_output(graph):
        raise ImageError(
            "the network ends in probabilities, and losses take what is before; leave the head's activation out"
        )
