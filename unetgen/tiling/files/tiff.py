"""TIFF, of any bit depth, in two or three dimensions. Uncompressed ones are mapped into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.tiling.files.image_file import ImageFile, as_channels_first

# What tifffile calls the axes that hold samples and channels.
_CHANNEL_AXES = "SC"


def read(path: Path, dims: int) -> ImageFile:
    """The first series, its channels wherever they are named."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        named = [axis for axis, name in enumerate(series.axes) if name in _CHANNEL_AXES]
        array = series.asarray(out="memmap") if series.dataoffset is None else None
    if array is None:
        array = tifffile.memmap(path, mode="r")
    return ImageFile(path, as_channels_first(path, array, dims, named[0] if named else 0))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """An uncompressed file, on the disk while it is filled: (channels, *size), or (*size) of one channel."""
    import tifffile

    stored = tuple(shape[1:] if shape[0] == 1 else shape)
    axes = "CZYX"[-len(stored) :] if shape[0] == 1 else "C" + "ZYX"[-len(stored) + 1 :]
    bits = int(np.prod(shape)) * np.dtype(dtype).itemsize
    out = tifffile.memmap(
        path, shape=stored, dtype=dtype, bigtiff=bits >= 2**32, photometric="minisblack", metadata={"axes": axes}
    )
    yield out[None] if shape[0] == 1 else out
    out.flush()
