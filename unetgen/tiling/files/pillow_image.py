"""PNG, JPEG and what else Pillow reads: grey or colour in two dimensions, whole in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.tiling.files.image_file import ImageFile, as_channels_first

# Palettes and bits say with numbers what others say with grey or colour.
_MODE_CONVERSIONS = {"P": "RGB", "1": "L", "CMYK": "RGB"}


def read(path: Path, dims: int) -> ImageFile:
    """Grey as one channel, colour as three, with transparency as four."""
    from PIL import Image

    with Image.open(path) as opened:
        pixels = np.asarray(
            opened.convert(_MODE_CONVERSIONS[opened.mode]) if opened.mode in _MODE_CONVERSIONS else opened
        )
    return ImageFile(path, as_channels_first(path, pixels, dims, -1))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """A grey PNG of one channel."""
    from PIL import Image

    out = np.empty(tuple(shape), dtype)
    yield out
    Image.fromarray(out[0].astype(np.uint16) if out.dtype.itemsize > 1 else out[0]).save(path, "PNG")
