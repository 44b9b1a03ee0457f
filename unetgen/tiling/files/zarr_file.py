"""Read and write zarr arrays in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unetgen.errors import ImageError
from unetgen.tiling.files.image_file import ImageFile, as_channels_first

# The maximum length of a result's chunk along an axis.
MAX_CHUNK = 256


def is_array(path: Path) -> bool:
    """Return whether a directory is a single array, and not a group, which may hold other data."""
    import zarr

    try:
        return isinstance(zarr.open(path, mode="r"), zarr.Array)
    except Exception:  # zarr raises many different exceptions for other directories
        return False


def read(path: Path, dims: int) -> ImageFile:
    """Open an array (channels, *size) or (*size)."""
    import zarr

    array = zarr.open(path, mode="r")
    if not isinstance(array, zarr.Array):
        raise ImageError(f"{path}: is a group, not an array; pass one of its arrays: {path}/0")
    return ImageFile(path, as_channels_first(path, array, dims, 0))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """Create an array of (channels, *size) that is on disk while it is filled."""
    import zarr

    chunks = (shape[0], *(min(MAX_CHUNK, length) for length in shape[1:]))
    yield zarr.create_array(path, shape=tuple(shape), chunks=chunks, dtype=dtype)
