"""Which file is read and written how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unetgen.atomic_files import replace_when_complete
from unetgen.errors import ImageError, MissingDependencyError, format_exception_line
from unetgen.tiling.files import nifti, npy, pillow_image, tiff, zarr_file
from unetgen.tiling.files.image_file import ImageFile, ImageFormat

_PILLOW_IMAGE = ImageFormat(pillow_image.read, pillow_image.create, supports_any_dtype=False)
_TIFF = ImageFormat(tiff.read, tiff.create, supports_any_dtype=True)
_NIFTI = ImageFormat(nifti.read, nifti.create, supports_any_dtype=True)

FORMATS = {
    ".npy": ImageFormat(npy.read, npy.create, supports_any_dtype=True),
    ".zarr": ImageFormat(zarr_file.read, zarr_file.create, supports_any_dtype=True),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
    ".png": _PILLOW_IMAGE,
    ".jpg": _PILLOW_IMAGE,
    ".jpeg": _PILLOW_IMAGE,
    ".bmp": _PILLOW_IMAGE,
}


def detect_suffix(path: Path) -> str:
    """The suffix that tells the format; an array inside a zarr group is zarr too. Raises ImageError."""
    if (path / "zarr.json").is_file() or (path / ".zarray").is_file():
        return ".zarr"
    return _match_suffix(path)


def _match_suffix(path: Path) -> str:
    name = path.name.lower()
    found = next((known for known in sorted(FORMATS, key=len, reverse=True) if name.endswith(known)), None)
    if found is None:
        raise ImageError(f"{path}: no format has this suffix; those that are read are {', '.join(FORMATS)}")
    return found


def read_image(path: Path, dims: int) -> ImageFile:
    """An image for a network of so many dims. Raises ImageError, and MissingExtra."""
    form = FORMATS[detect_suffix(path)]
    if not path.exists():
        raise ImageError(f"{path}: there is no such file; check the path")
    try:
        return form.read(path, dims)
    except ImportError as error:
        raise MissingDependencyError(f"reading {path.name}", error.name or "a package", "images") from None
    except ImageError:
        raise
    except Exception as error:  # each library has its own
        raise ImageError(
            f"{path}: cannot be read: {format_exception_line(error)}; write it anew, or in another format"
        ) from error


def output_path(folder: Path, image_file: ImageFile, labels: bool) -> Path:
    """Where the result for an image goes: its own name, its own format if that can hold the result, else TIFF."""
    kind = detect_suffix(image_file.path)
    name = image_file.path.name
    # An array in a zarr group is called by both: many groups have a 0.
    stem = name[: -len(kind)] if name.lower().endswith(kind) else f"{image_file.path.parent.stem}.{name}"
    if FORMATS[kind] is _PILLOW_IMAGE:
        kind = ".png" if labels else ".tif"
    return folder / f"{stem}{kind}"


def check_output_path(path: Path) -> None:
    """Raises ImageError where a folder lies in a result's place, unless it is what a result is: an array of zarr."""
    if path.is_dir() and not (_match_suffix(path) == ".zarr" and zarr_file.is_array(path)):
        raise ImageError(f"{path}: is a folder, which no result replaces; move it away or choose another place")


@contextmanager
def open_output(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """An array to write (channels, *size) to; the file takes its place when it is complete. Raises ImageError."""
    check_output_path(path)
    try:
        with replace_when_complete(path) as partial:
            with FORMATS[_match_suffix(path)].create(partial, shape, dtype, like) as out:
                yield out
            # Prediction takes a while, and another program may have created a folder there in the meantime.
            check_output_path(path)
    except ImportError as error:
        raise MissingDependencyError(f"writing {path.name}", error.name or "a package", "images") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error
