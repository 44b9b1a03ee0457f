"""Pairs: images and their masks as they lie in files, in two folders or in two stacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import ImageError
from unetgen.tiling.files.formats import FORMATS, detect_suffix, read_image


class ImagePair(NamedTuple):
    """An image (channels, *size) and the masks' own numbers of its pixels, (*size)."""

    name: str
    image: NDArray[Any]
    mask: NDArray[Any]


def read_pairs(images: Path, masks: Path, dims: int) -> list[ImagePair]:
    """The files of one name in two folders, in the order of their numbers, or the slices of two files.

    Raises ImageError where they are no pairs.
    """
    if images.is_file() and masks.is_file():
        return _read_stacks(images, masks, dims)
    return [ImagePair(image.name, *_read_pair(image, mask, dims)) for image, mask in _match_by_name(images, masks)]


def _read_stacks(images: Path, masks: Path, dims: int) -> list[ImagePair]:
    """A stack is read as one image of an axis more, as the ISBI challenge's are."""
    for path in (images, masks):
        if not FORMATS[detect_suffix(path)].supports_any_dtype:
            raise ImageError(f"{path}: is a single image; name the folder that it is in, or a stack of images")
    image, mask = _read_pair(images, masks, dims + 1)
    return [ImagePair(f"{images.name}[{number}]", image[:, number], mask[number]) for number in range(len(mask))]


def _match_by_name(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    found, marked = _list_images(images), _list_images(masks)
    lone = sorted(set(found) ^ set(marked), key=_natural_sort_key)
    if lone:
        has, lacks = ("image", "mask") if lone[0] in found else ("mask", "image")
        folder = masks if lone[0] in found else images
        more = f", nor have {len(lone) - 1} more" if len(lone) > 1 else ""
        raise ImageError(f"{folder}: the {has} {lone[0]} has no {lacks} there{more}; files of a pair have one name")
    return [(found[name], marked[name]) for name in sorted(found, key=_natural_sort_key)]


def _list_images(folder: Path) -> dict[str, Path]:
    """Files of a folder by their names without the suffix."""
    if folder.is_file():
        raise ImageError(f"{folder}: is a file, the other a folder; name two folders, or two stacks of slices")
    if not folder.is_dir():
        raise ImageError(f"{folder}: there is no such folder; check the path")
    known = [path for path in folder.iterdir() if path.name.lower().endswith(tuple(FORMATS))]
    if not known:
        raise ImageError(f"{folder}: holds no images; those that are read are {', '.join(FORMATS)}")
    return {path.name[: -len(detect_suffix(path))]: path for path in known}


def _natural_sort_key(name: str) -> list[Any]:
    """So that 10 comes after 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _read_pair(images: Path, masks: Path, dims: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """An image (channels, *size) and its mask (*size)."""
    image, mask = _read_image(images, dims), _read_mask(masks, dims)
    if len(mask) != 1:
        raise ImageError(
            f"{masks}: a mask has one channel, this has {len(mask)}; write the number of each pixel's class"
        )
    if image.shape[1:] != mask.shape[1:]:
        sizes = [" x ".join(map(str, array.shape[1:])) for array in (image, mask)]
        raise ImageError(f"{masks}: the mask is {sizes[1]}, its image {sizes[0]}; they have to be of one size")
    return image, mask[0]


def _read_image(path: Path, dims: int) -> NDArray[Any]:
    found = np.asarray(read_image(path, dims).array[(slice(None),) * (dims + 1)])
    if wrong := int(np.count_nonzero(~np.isfinite(found))):
        raise ImageError(f"{path}: {wrong} of its numbers are NaN or infinite; mend the file, or leave it out")
    return found


def _read_mask(path: Path, dims: int) -> NDArray[Any]:
    """A mask; where a palette colours it, as in PASCAL VOC, the classes are the places in that."""
    found = _read_image(path, dims)
    if len(found) > 1 and not FORMATS[detect_suffix(path)].supports_any_dtype:
        from PIL import Image

        with Image.open(path) as opened:
            found = np.asarray(opened)[None] if opened.mode == "P" else found
    if len(between := found[found % 1 != 0]):
        raise ImageError(f"{path}: a mask has a whole number for each class, this has {between[0]:g}; round it")
    return found
