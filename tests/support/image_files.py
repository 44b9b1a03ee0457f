"""An image in a file of every kind that is read, and what a file holds by the word of its own library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import tifffile
import zarr
from PIL import Image

BYTES = np.random.default_rng(0).integers(0, 256, (150, 130), dtype=np.uint8)
NUMBERS = np.random.default_rng(1).normal(size=(150, 130)).astype("float32")


def write_npy(path: Path) -> None:
    np.save(path, NUMBERS)


def write_zarr(path: Path) -> None:
    zarr.create_array(path, data=NUMBERS[None], chunks=(1, 64, 64))


def write_tiff(path: Path) -> None:
    tifffile.imwrite(path, BYTES.astype(np.uint16) * 257)


def write_nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(NUMBERS, np.diag([2.0, 3.0, 4.0, 1.0])), path)


def write_picture(path: Path) -> None:
    Image.fromarray(BYTES).save(path)


WRITERS: dict[str, Callable[[Path], None]] = {
    ".npy": write_npy,
    ".zarr": write_zarr,
    ".tif": write_tiff,
    ".tiff": write_tiff,
    ".nii": write_nifti,
    ".nii.gz": write_nifti,
    ".png": write_picture,
    ".jpg": write_picture,
    ".jpeg": write_picture,
    ".bmp": write_picture,
}


def pixels(path: Path) -> np.ndarray:
    """What a file holds, read by its own library."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".zarr":
        return zarr.open_array(path, mode="r")[:]
    if path.suffix in (".tif", ".tiff"):
        return tifffile.imread(path)
    if path.suffix in (".nii", ".gz"):
        volume = nibabel.load(path)
        assert np.array_equal(volume.affine.diagonal(), [2, 3, 4, 1])
        return np.asarray(volume.dataobj)
    return np.asarray(Image.open(path))
