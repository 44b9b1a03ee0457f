"""Read and write .npy files, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.errors import ImageError
from unetgen.tiling.files.image_file import ImageFile, as_channels_first


def read(path: Path, dims: int) -> ImageFile:
    """Open an array (channels, *size) or (*size); raise ImageError if the file is not one.

    numpy's own error message suggests ``allow_pickle``, which would run code from the file.
    """
    with path.open("rb") as file:
        prefix = file.read(len(np.lib.format.MAGIC_PREFIX))
    if prefix != np.lib.format.MAGIC_PREFIX:
        raise ImageError(f"{path}: is not a .npy file; save the image with numpy.save")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise ImageError(f"{path}: contains Python objects, which are not loaded; save an array of numbers") from None
    return ImageFile(path, as_channels_first(path, array, dims, 0))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """Create a file of (channels, *size) that is on disk while it is filled."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))
    yield out
    out.flush()
