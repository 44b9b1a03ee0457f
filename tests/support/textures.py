"""Images whose masks are exact: blobs of one texture on another, equally bright, so that intensities tell nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def texture(seed: int, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """An image (size, size) of bytes and its mask of 0 and 255: boards of small and of large squares."""
    random = np.random.default_rng(seed)
    mask = gaussian_filter(random.normal(size=(size, size)), 6, mode="reflect") > 0
    rows, columns = np.mgrid[:size, :size] + random.integers(0, 4, 2)[:, None, None]
    board = np.where(mask, (rows + columns) % 2, (rows // 2 + columns // 2) % 2)
    noisy = 96 + 64 * board + random.normal(0, 8, mask.shape)
    return noisy.clip(0, 255).astype(np.uint8), np.where(mask, 255, 0).astype(np.uint8)


def write_textures(folder: Path, count: int = 12, size: int = 64) -> None:
    """Folders ``image`` and ``mask`` with 0.png, 1.png, ..."""
    for name in ("image", "mask"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        for name, pixels in zip(("image", "mask"), texture(number, size), strict=True):
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
