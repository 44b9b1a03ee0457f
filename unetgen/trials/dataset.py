"""Load images with masks, normalize them, and split them into training and validation samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import ImageError, MissingDependencyError
from unetgen.graph.graph import Graph
from unetgen.preprocessing import Preprocessing
from unetgen.tiling.postprocessing import has_probability_output
from unetgen.trials.image_pairs import ImagePair, read_pairs

# The maximum number of classes; masks with more values are likely greyscale images with smoothed edges.
_MAX_CLASSES = 64


@dataclass(frozen=True)
class Sample:
    """An image (channels, *size) with mean 0 and standard deviation 1 per channel, and its classes (*size)."""

    name: str
    image: NDArray[np.float32]
    mask: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """Images with masks; ``class_values`` are the values in the mask files for the classes 0, 1, ..."""

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    class_values: tuple[int, ...]
    downsampling: int = 1
    axes: Literal["xyz"] | None = None
    """The order of the spatial axes, if the format names them."""

    @classmethod
    def read(cls, images: Path, masks: Path, dims: int, validation_fraction: float = 0.2, reduce: int = 1) -> Dataset:
        """Read a dataset from two directories or two stacks.

        The last images in natural sort order are for validation. The split is by file or slice and in one block, never
        by pixel, because neighbouring slices and pixels are similar.

        Args:
            images: A directory of images, or a stack of slices.
            masks: A directory of masks with the same names, or a stack of as many slices.
            dims: The number of spatial dimensions of an image.
            validation_fraction: The fraction of the images for validation, at least one image.
            reduce: The downsampling factor: images by block means, masks by the most frequent class.

        Raises:
            ImageError: The files cannot be read or are not a valid dataset.
            MissingDependencyError: A format or ``reduce`` needs a package that is not installed.
        """
        pairs = read_pairs(images, masks, dims)
        if len(pairs) < 2:
            raise ImageError(f"{images}: contains one image, but training and validation need two; add more images")
        num_validation = min(max(1, round(validation_fraction * len(pairs))), len(pairs) - 1)
        values = _find_class_values(masks, pairs)
        samples = [_build_sample(pair, values, reduce) for pair in pairs]
        train, validation = samples[:-num_validation], samples[-num_validation:]
        return cls(tuple(train), tuple(validation), tuple(int(value) for value in values), reduce, _find_axes(images))

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing of the samples, for prediction."""
        return Preprocessing(
            normalization="zscore", axes=self.axes, downsampling=self.downsampling, class_values=self.class_values
        )

    @property
    def num_classes(self) -> int:
        """The number of classes in the masks."""
        return len(self.class_values)

    def find_object_class(self, value: int | None) -> int | None:
        """Return the class of a mask value; raise ImageError if no validation mask contains the value."""
        if value is None:
            return None
        if value not in self.class_values:
            choices = ", ".join(map(str, self.class_values))
            raise ImageError(f"objects: no mask contains the value {value}; choose one of {choices}")
        object_class = self.class_values.index(value)
        if not any((sample.mask == object_class).any() for sample in self.validation):
            message = f"no validation mask contains the value {value}"
            raise ImageError(f"objects: {message}; increase validation, or omit objects")
        return object_class


def _find_axes(images: Path) -> Literal["xyz"] | None:
    """Return the order in which images were read, if they are NIfTI files, which name their axes."""
    files = [images] if images.is_file() else images.iterdir()
    return "xyz" if any(file.name.lower().endswith((".nii", ".nii.gz")) for file in files) else None


def _find_class_values(masks: Path, pairs: list[ImagePair]) -> NDArray[Any]:
    """Return the mask values of all classes in ascending order; raise ImageError if there are too few or many."""
    values = np.unique(np.concatenate([np.unique(pair.mask) for pair in pairs]))
    if len(values) > _MAX_CLASSES:
        message = f"masks have {len(values)} different values, more than {_MAX_CLASSES} classes"
        raise ImageError(f"{masks}: {message}; save one integer per class, without smoothed edges")
    if len(values) < 2:
        raise ImageError(f"{masks}: all mask pixels are {int(values[0])}; label at least two classes")
    return values


def _build_sample(pair: ImagePair, class_values: NDArray[Any], reduce: int) -> Sample:
    pixels, mask = pair.image.astype(np.float32), np.searchsorted(class_values, pair.mask)
    if reduce > 1:
        pixels, mask = _reduce_blocks(pair.name, pixels, mask, reduce, len(class_values))
    axes = tuple(range(1, pixels.ndim))
    std = pixels.std(axes, keepdims=True)
    normalized = (pixels - pixels.mean(axes, keepdims=True)) / np.maximum(std, 1e-8)
    return Sample(pair.name, normalized.astype(np.float32), mask.astype(np.int64))


def _reduce_blocks(
    name: str, image: NDArray[Any], mask: NDArray[Any], reduce: int, num_classes: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Downsample an image by block means and its mask by the most frequent class; drop incomplete blocks."""
    try:
        from skimage.measure import block_reduce
    except ImportError:
        raise MissingDependencyError("reduce", "scikit-image", "trials") from None
    if min(mask.shape) < reduce:
        size = " x ".join(map(str, mask.shape))
        raise ImageError(f"{name}: reduce={reduce} is larger than the image ({size}); choose a smaller factor")
    region = tuple(slice(0, length - length % reduce) for length in mask.shape)
    block = (reduce,) * mask.ndim
    fractions = [block_reduce((mask[region] == c).astype(np.float32), block, np.mean) for c in range(num_classes)]
    pixels = np.stack([block_reduce(channel[region], block, np.mean) for channel in image])
    return pixels, np.argmax(np.stack(fractions), 0)


def check_dataset(dataset: Dataset, graph: Graph) -> None:
    """Raise ImageError if a network cannot be trained on a dataset."""
    for sample in (*dataset.train, *dataset.validation):
        if (channels := len(sample.image)) != graph.in_channels:
            message = f"the image has {channels} channels, the network needs {graph.in_channels}"
            raise ImageError(f"{sample.name}: {message}; set in_channels: {channels} in the sweep's base")
    num_predicted = max(graph.out_channels, 2)  # a single channel distinguishes two classes
    if dataset.num_classes > num_predicted:
        values = ", ".join(map(str, dataset.class_values))
        message = f"the masks have {dataset.num_classes} classes ({values}), the network predicts {num_predicted}"
        raise ImageError(f"{message}; set out_channels: {dataset.num_classes} in the sweep's base")
    if has_probability_output(graph):
        raise ImageError("the head returns probabilities, but the losses expect logits; remove the head's activation")
