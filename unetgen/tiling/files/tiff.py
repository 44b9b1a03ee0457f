"""Read and write TIFF of any bit depth in two or three dimensions; uncompressed files are memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.tiling.files.image_file import ImageFile, as_channels_first

# tifffile's names for the axes of samples and channels.
_CHANNEL_AXES = "SC"


def read(path: Path, dims: int) -> ImageFile:
    """Open the first series of a file; the channel axis follows from its axis names."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        channel_axes = [axis for axis, name in enumerate(series.axes) if name in _CHANNEL_AXES]
        array = series.asarray(out="memmap") if series.dataoffset is None else None
    if array is None:
        array = tifffile.memmap(path, mode="r")
    return ImageFile(path, as_channels_first(path, array, dims, channel_axes[0] if channel_axes else 0))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """Create an uncompressed file that is on disk while it is filled; a single channel has no channel axis."""
    import tifffile

    stored = tuple(shape[1:] if shape[0] == 1 else shape)
    axes = "CZYX"[-len(stored) :] if shape[0] == 1 else "C" + "ZYX"[-len(stored) + 1 :]
    num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    out = tifffile.memmap(
        path, shape=stored, dtype=dtype, bigtiff=num_bytes >= 2**32, photometric="minisblack", metadata={"axes": axes}
    )
    yield out[None] if shape[0] == 1 else out
    out.flush()
