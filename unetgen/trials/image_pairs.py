"""Read images and their masks from two directories or two stacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import ImageError
from unetgen.tiling.files.formats import FORMATS, detect_suffix, read_image


class ImagePair(NamedTuple):
    """An image (channels, *size) and its mask (*size) with the values of the file."""

    name: str
    image: NDArray[Any]
    mask: NDArray[Any]


def read_pairs(images: Path, masks: Path, dims: int) -> list[ImagePair]:
    """Read pairs of files with the same name in two directories, or of slices in two stacks.

    Args:
        images: A directory of images, or a stack of slices.
        masks: A directory of masks, or a stack of slices.
        dims: The number of spatial dimensions of an image.

    Returns:
        The pairs in natural sort order of their names.

    Raises:
        ImageError: A file is missing or invalid, or an image has no mask or another size than its mask.
    """
    if images.is_file() and masks.is_file():
        return _read_stacks(images, masks, dims)
    return [ImagePair(image.name, *_read_pair(image, mask, dims)) for image, mask in _match_by_name(images, masks)]


def _read_stacks(images: Path, masks: Path, dims: int) -> list[ImagePair]:
    """Read stacks as images with one more axis, as in the ISBI challenge."""
    for path in (images, masks):
        if not FORMATS[detect_suffix(path)].supports_any_dtype:
            raise ImageError(f"{path}: is a single image; pass its directory, or a stack of images")
    image, mask = _read_pair(images, masks, dims + 1)
    return [ImagePair(f"{images.name}[{index}]", image[:, index], mask[index]) for index in range(len(mask))]


def _match_by_name(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Return the pairs of files with the same name; raise ImageError if a file has no counterpart."""
    image_files, mask_files = _list_images(images), _list_images(masks)
    without_mask = sorted(image_files.keys() - mask_files.keys(), key=_natural_sort_key)
    without_image = sorted(mask_files.keys() - image_files.keys(), key=_natural_sort_key)
    if without_mask or without_image:
        problems = [
            *([f"{_count_files(without_mask, 'image')} without a mask in {masks}"] if without_mask else []),
            *([f"{_count_files(without_image, 'mask')} without an image in {images}"] if without_image else []),
        ]
        folder = images if without_mask else masks
        raise ImageError(f"{folder}: {' and '.join(problems)}; give an image and its mask the same name")
    return [(image_files[name], mask_files[name]) for name in sorted(image_files, key=_natural_sort_key)]


def _count_files(names: list[str], kind: str) -> str:
    """Format a number of files and the first of them: ``2 images (3, ...)``."""
    return f"1 {kind} ({names[0]})" if len(names) == 1 else f"{len(names)} {kind}s ({names[0]}, ...)"


def _list_images(folder: Path) -> dict[str, Path]:
    """Return the image files of a directory by their names without the suffix."""
    if folder.is_file():
        raise ImageError(f"{folder}: is a file, but the other is a directory; pass two directories or two stacks")
    if not folder.is_dir():
        raise ImageError(f"{folder}: directory not found; check the path")
    files = [path for path in folder.iterdir() if path.name.lower().endswith(tuple(FORMATS))]
    if not files:
        raise ImageError(f"{folder}: no images found; use one of {', '.join(FORMATS)}")
    return {path.name[: -len(detect_suffix(path))]: path for path in files}


def _natural_sort_key(name: str) -> list[Any]:
    """Return a sort key by which 10 comes after 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _read_pair(images: Path, masks: Path, dims: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read an image (channels, *size) and its mask (*size)."""
    image, mask = _read_image(images, dims), _read_mask(masks, dims)
    if len(mask) != 1:
        raise ImageError(f"{masks}: a mask must have one channel, not {len(mask)}; save the class of each pixel")
    if image.shape[1:] != mask.shape[1:]:
        image_size, mask_size = (" x ".join(map(str, array.shape[1:])) for array in (image, mask))
        raise ImageError(f"{masks}: the mask is {mask_size}, but its image is {image_size}; make them the same size")
    return image, mask[0]


def _read_image(path: Path, dims: int) -> NDArray[Any]:
    pixels = np.asarray(read_image(path, dims).array[(slice(None),) * (dims + 1)])
    if num_invalid := int(np.count_nonzero(~np.isfinite(pixels))):
        raise ImageError(f"{path}: contains {num_invalid} NaN or infinite values; correct or remove the file")
    return pixels


def _read_mask(path: Path, dims: int) -> NDArray[Any]:
    """Read a mask; if it has a palette, as in PASCAL VOC, its values are the palette indices."""
    values = _read_image(path, dims)
    if len(values) > 1 and not FORMATS[detect_suffix(path)].supports_any_dtype:
        from PIL import Image

        with Image.open(path) as image:
            values = np.asarray(image)[None] if image.mode == "P" else values
    if len(fractions := values[values % 1 != 0]):
        raise ImageError(f"{path}: mask values must be integers, not {fractions[0]:g}; save one integer per class")
    return values
