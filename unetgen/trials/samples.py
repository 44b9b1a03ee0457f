"""Samples: images with masks from two folders, and which of them a network learns from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import ImageError, MissingExtra
from unetgen.tiling.files.formats import FORMATS, read, suffix

# More values than that are no classes, but a picture with soft edges.
_MOST = 64


@dataclass(frozen=True)
class Sample:
    """An image (channels, *size) of mean 0 and deviation 1, and the class of each of its pixels, (*size)."""

    name: str
    image: NDArray[np.float32]
    mask: NDArray[np.int64]


@dataclass(frozen=True)
class Samples:
    """Images with masks. ``values`` are the masks' own numbers of the classes 0, 1, ..."""

    learnt: tuple[Sample, ...]
    scored: tuple[Sample, ...]
    values: tuple[int, ...]

    @classmethod
    def read(cls, images: Path, masks: Path, dims: int, validation: float = 0.2, reduce: int = 1) -> Samples:
        """Pairs of files with one name. The last share of them, in the order of their numbers, is for validation.

        They are split by files, never by pixels, and in one block, since neighbours in a stack look alike.
        ``reduce`` takes the mean of so many pixels on each axis, and the most frequent class. Raises ImageError.
        """
        pairs = _pairs(images, masks)
        held = max(1, round(validation * len(pairs)))
        if len(pairs) - held < 1:
            raise ImageError(
                f"{images}: {len(pairs)} images are too few to learn from some and validate on others; add some"
            )
        raw = [_whole(pair, dims) for pair in pairs]
        values = np.unique(np.concatenate([np.unique(mask) for _, mask in raw]))
        if len(values) > _MOST:
            what = f"the masks have {len(values)} values, as pictures with soft edges have"
            raise ImageError(f"{masks}: {what}; a mask has one number for each class")
        made = [
            _sample(image.name, pixels, np.searchsorted(values, mask), reduce, len(values))
            for (image, _), (pixels, mask) in zip(pairs, raw, strict=True)
        ]
        return cls(tuple(made[:-held]), tuple(made[-held:]), tuple(int(value) for value in values))

    @property
    def classes(self) -> int:
        """How many classes the masks have."""
        return len(self.values)

    def number(self, value: int | None) -> int | None:
        """The class of one of the masks' own numbers. Raises ImageError of one that no mask has."""
        if value is not None and value not in self.values:
            raise ImageError(f"no mask has the value {value}; they have {', '.join(map(str, self.values))}")
        return None if value is None else self.values.index(value)


def _pairs(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    found, marked = _files(images), _files(masks)
    lone = sorted(set(found) ^ set(marked), key=_numbered)
    if lone:
        has, lacks = ("image", "mask") if lone[0] in found else ("mask", "image")
        folder = masks if lone[0] in found else images
        more = f", nor have {len(lone) - 1} more" if len(lone) > 1 else ""
        raise ImageError(f"{folder}: the {has} {lone[0]} has no {lacks} there{more}; files of a pair have one name")
    return [(found[name], marked[name]) for name in sorted(found, key=_numbered)]


def _files(folder: Path) -> dict[str, Path]:
    """Files of a folder by their names without the suffix."""
    if not folder.is_dir():
        raise ImageError(f"{folder}: there is no such folder; check the path")
    known = [path for path in folder.iterdir() if path.name.lower().endswith(tuple(FORMATS))]
    if not known:
        raise ImageError(f"{folder}: holds no images; those that are read are {', '.join(FORMATS)}")
    return {path.name[: -len(suffix(path))]: path for path in known}


def _numbered(name: str) -> list[Any]:
    """So that 10 comes after 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _whole(pair: tuple[Path, Path], dims: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """An image (channels, *size) and its mask (*size)."""
    image, mask = (np.asarray(read(path, dims).array[(slice(None),) * (dims + 1)]) for path in pair)
    if len(mask) != 1:
        raise ImageError(
            f"{pair[1]}: a mask has one channel, this has {len(mask)}; write the number of each pixel's class"
        )
    if image.shape[1:] != mask.shape[1:]:
        sizes = [" x ".join(map(str, array.shape[1:])) for array in (image, mask)]
        raise ImageError(f"{pair[1]}: the mask is {sizes[1]}, its image {sizes[0]}; they have to be of one size")
    return image, mask[0]


def _sample(name: str, image: NDArray[Any], mask: NDArray[Any], reduce: int, classes: int) -> Sample:
    pixels = image.astype(np.float32)
    if reduce > 1:
        pixels, mask = _reduced(pixels, mask, reduce, classes)
    axes = tuple(range(1, pixels.ndim))
    deviation = pixels.std(axes, keepdims=True)
    scaled = (pixels - pixels.mean(axes, keepdims=True)) / np.maximum(deviation, 1e-8)
    return Sample(name, scaled.astype(np.float32), mask.astype(np.int64))


def _reduced(image: NDArray[Any], mask: NDArray[Any], reduce: int, classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means of blocks, and their most frequent classes; pixels that fill no block are left out."""
    try:
        from skimage.measure import block_reduce
    except ImportError:
        raise MissingExtra("reduce", "scikit-image", "trials") from None
    whole = tuple(slice(0, length - length % reduce) for length in mask.shape)
    block = (reduce,) * mask.ndim
    shares = [block_reduce((mask[whole] == number).astype(np.float32), block, np.mean) for number in range(classes)]
    pixels = np.stack([block_reduce(channel[whole], block, np.mean) for channel in image])
    return pixels, np.argmax(np.stack(shares), 0)


def check(samples: Samples, in_channels: int, out_channels: int) -> None:
    """Raises ImageError where images have other channels than a network takes, or masks other classes than it tells."""
    for sample in (*samples.learnt, *samples.scored):
        if len(sample.image) != in_channels:
            what = f"has {len(sample.image)} channels, the network takes {in_channels}"
            raise ImageError(f"{sample.name}: {what}; set in_channels in the sweep's base")
    told = max(out_channels, 2)  # one channel tells two classes
    if samples.classes > told:
        values = ", ".join(map(str, samples.values))
        what = f"the masks have {samples.classes} classes ({values}), the network tells {told}"
        raise ImageError(f"{what}; set out_channels: {samples.classes} in the sweep's base")
