"""Arrays of numpy in .npy files, mapped into memory both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.errors import ImageError
from unetgen.tiling.files.image_file import ImageFile, as_channels_first


def read(path: Path, dims: int) -> ImageFile:
    """(channels, *size) or (*size). Raises ImageError; numpy's own words advise to run what such a file holds."""
    with path.open("rb") as file:
        start = file.read(len(np.lib.format.MAGIC_PREFIX))
    if start != np.lib.format.MAGIC_PREFIX:
        raise ImageError(f"{path}: is no .npy file, whatever its name says; write one with numpy.save")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise ImageError(f"{path}: holds Python objects, which are not read; write an array of numbers") from None
    return ImageFile(path, as_channels_first(path, array, dims, 0))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """A file of (channels, *size), on the disk while it is filled."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))
    yield out
    out.flush()
