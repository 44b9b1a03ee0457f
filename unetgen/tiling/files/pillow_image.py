"""Read and write PNG, JPEG and BMP with Pillow: 2-D, greyscale or colour, entirely in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.tiling.files.image_file import ImageFile, as_channels_first

# Modes whose pixel values are not intensities, and the mode that they are converted to.
_MODE_CONVERSIONS = {"P": "RGB", "1": "L", "CMYK": "RGB"}


def read(path: Path, dims: int) -> ImageFile:
    """Open an image with one channel (grey), three (colour) or four (with transparency)."""
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image.convert(_MODE_CONVERSIONS[image.mode]) if image.mode in _MODE_CONVERSIONS else image)
    return ImageFile(path, as_channels_first(path, pixels, dims, -1))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """Write a greyscale PNG of one channel."""
    from PIL import Image

    out = np.empty(tuple(shape), dtype)
    yield out
    Image.fromarray(out[0].astype(np.uint16) if out.dtype.itemsize > 1 else out[0]).save(path, "PNG")
