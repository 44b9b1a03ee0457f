"""Arrays of zarr, in chunks both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unetgen.errors import ImageError
from unetgen.tiling.files.image_file import ImageFile, as_channels_first

# What one chunk of a result is at most along an axis.
MAX_CHUNK = 256


def is_array(path: Path) -> bool:
    """Whether a folder is one array: a group may hold many, and what else somebody keeps with them."""
    import zarr

    try:
        return isinstance(zarr.open(path, mode="r"), zarr.Array)
    except Exception:  # zarr has many for what is none of its folders
        return False


def read(path: Path, dims: int) -> ImageFile:
    """(channels, *size) or (*size)."""
    import zarr

    found = zarr.open(path, mode="r")
    if not isinstance(found, zarr.Array):
        raise ImageError(f"{path}: is a group, not an array; name one of its arrays: {path}/0")
    return ImageFile(path, as_channels_first(path, found, dims, 0))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """An array of (channels, *size), on the disk while it is filled."""
    import zarr

    chunks = (shape[0], *(min(MAX_CHUNK, length) for length in shape[1:]))
    yield zarr.create_array(path, shape=tuple(shape), chunks=chunks, dtype=dtype)
