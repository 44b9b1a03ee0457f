"""Read NIfTI volumes region by region, and write them from memory with the image's affine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.tiling.files.image_file import ImageFile, as_channels_first


def read(path: Path, dims: int) -> ImageFile:
    """Open a volume (x, y, z) or (x, y, z, channels)."""
    import nibabel

    volume: Any = nibabel.load(path)
    return ImageFile(path, as_channels_first(path, volume.dataobj, dims, -1), volume.affine)


@contextmanager
def create(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """Write a volume with the image's affine, or the identity if the image has none."""
    import nibabel

    out = np.empty(tuple(shape), dtype)
    yield out
    stored = out[0] if shape[0] == 1 else np.moveaxis(out, 0, -1)
    affine = like.metadata if like.metadata is not None else np.eye(4)
    nibabel.save(nibabel.Nifti1Image(stored, affine), path)  # type: ignore[no-untyped-call]
