"""Arrays of numpy in .npy files, mapped into memory both ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.tiling.files.picture import Picture, as_channels_first


def read(path: Path, dims: int) -> Picture:
    """(channels, *size) or (*size)."""
    return Picture(path, as_channels_first(path, np.load(path, mmap_mode="r", allow_pickle=False), dims, 0))


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: Picture) -> Iterator[Any]:
    """A file of (channels, *size), on the disk while it is filled."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))
    yield out
    out.flush()
