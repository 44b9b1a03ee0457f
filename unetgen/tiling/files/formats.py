"""Which file is read and written how."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unetgen.errors import ImageError, MissingExtra, one_line
from unetgen.tiling.files import nifti, numpy_file, photograph, tiff, zarr_file
from unetgen.tiling.files.picture import Format, Picture

_PHOTOGRAPH = Format(photograph.read, photograph.create, numbers=False)
_TIFF = Format(tiff.read, tiff.create, numbers=True)
_NIFTI = Format(nifti.read, nifti.create, numbers=True)

FORMATS = {
    ".npy": Format(numpy_file.read, numpy_file.create, numbers=True),
    ".zarr": Format(zarr_file.read, zarr_file.create, numbers=True),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
    ".png": _PHOTOGRAPH,
    ".jpg": _PHOTOGRAPH,
    ".jpeg": _PHOTOGRAPH,
    ".bmp": _PHOTOGRAPH,
}


def suffix(path: Path) -> str:
    """The suffix that tells the format; an array inside a zarr group is zarr too. Raises ImageError."""
    if (path / "zarr.json").is_file() or (path / ".zarray").is_file():
        return ".zarr"
    return _ending(path)


def _ending(path: Path) -> str:
    name = path.name.lower()
    found = next((known for known in sorted(FORMATS, key=len, reverse=True) if name.endswith(known)), None)
    if found is None:
        raise ImageError(f"{path}: no format has this suffix; those that are read are {', '.join(FORMATS)}")
    return found


def read(path: Path, dims: int) -> Picture:
    """An image for a network of so many dims. Raises ImageError, and MissingExtra."""
    form = FORMATS[suffix(path)]
    if not path.exists():
        raise ImageError(f"{path}: there is no such file; check the path")
    try:
        return form.read(path, dims)
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", error.name or "a package", "images") from None
    except ImageError:
        raise
    except Exception as error:  # each library has its own
        raise ImageError(f"{path}: cannot be read: {one_line(error)}; write it anew, or in another format") from error


def target(folder: Path, picture: Picture, labels: bool) -> Path:
    """Where the result for an image goes: its own name, its own format if that can hold the result, else TIFF."""
    kind = suffix(picture.path)
    name = picture.path.name
    # An array in a zarr group is called by both: many groups have a 0.
    stem = name[: -len(kind)] if name.lower().endswith(kind) else f"{picture.path.parent.stem}.{name}"
    if FORMATS[kind] is _PHOTOGRAPH:
        kind = ".png" if labels else ".tif"
    return folder / f"{stem}{kind}"


def check_place(path: Path) -> None:
    """Raises ImageError where a folder lies in a result's place, unless it is what a result is: an array of zarr."""
    if path.is_dir() and not (_ending(path) == ".zarr" and zarr_file.is_array(path)):
        raise ImageError(f"{path}: is a folder, which no result replaces; move it away or choose another place")


@contextmanager
def created(path: Path, shape: Sequence[int], dtype: Any, like: Picture) -> Iterator[Any]:
    """An array to write (channels, *size) to; the file takes its place when it is complete. Raises ImageError."""
    check_place(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
        with FORMATS[_ending(path)].create(partial, shape, dtype, like) as out:
            yield out
        # Tiles take their time, in which somebody may have put another folder there.
        check_place(path)
        if path.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
    except ImportError as error:
        raise MissingExtra(f"writing {path.name}", error.name or "a package", "images") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error
    finally:
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
