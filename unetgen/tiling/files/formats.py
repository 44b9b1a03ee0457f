"""Select the reader and writer of an image file by its suffix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from unetgen.atomic_files import replace_when_complete
from unetgen.errors import ImageError, MissingDependencyError, format_exception_line
from unetgen.tiling.files import nifti, npy, pillow_image, tiff, zarr_file
from unetgen.tiling.files.axis_order import NIFTI_ORDER, AxisOrder, ReversedAxes
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
    """Return the suffix that selects the format, also for an array inside a zarr group; raise ImageError if unknown."""
    if (path / "zarr.json").is_file() or (path / ".zarray").is_file():
        return ".zarr"
    return _match_suffix(path)


def _match_suffix(path: Path) -> str:
    name = path.name.lower()
    suffix = next((known for known in sorted(FORMATS, key=len, reverse=True) if name.endswith(known)), None)
    if suffix is None:
        raise ImageError(f"{path}: unknown image format; use one of {', '.join(FORMATS)}")
    return suffix


def read_image(path: Path, dims: int, axes: AxisOrder | None = None) -> ImageFile:
    """Open an image file.

    Args:
        path: The file, or the folder of a zarr array.
        dims: The number of the network's spatial dimensions.
        axes: The order of the spatial axes that the network takes, for NIfTI images (default: x, y, z, as stored).

    Returns:
        The image as (channels, *size), read region by region if the format supports it.

    Raises:
        ImageError: The file does not exist, cannot be read, or does not hold an image of these dimensions.
        MissingDependencyError: The format needs a package that is not installed.
    """
    image_format = FORMATS[detect_suffix(path)]
    if not path.exists():
        raise ImageError(f"{path}: file not found; check the path")
    try:
        image = image_format.read(path, dims)
    except ImportError as error:
        raise MissingDependencyError(f"reading {path.name}", error.name or "a package", "images") from None
    except ImageError:
        raise
    except Exception as error:  # each library raises its own exceptions
        raise ImageError(
            f"{path}: cannot be read: {format_exception_line(error)}; save it again, or in another format"
        ) from error
    if axes is None or image_format is not _NIFTI or axes == NIFTI_ORDER:
        return image
    return replace(image, array=ReversedAxes(image.array), has_reversed_axes=True)


def output_path(folder: Path, image_file: ImageFile, labels: bool) -> Path:
    """Return the path of an image's result.

    Args:
        folder: The directory of results.
        image_file: The image, whose name and format the result has. Pillow's formats hold labels as PNG only.
        labels: Whether the result consists of labels.
    """
    suffix = detect_suffix(image_file.path)
    name = image_file.path.name
    # An array in a zarr group is named after both, since many groups have an array 0.
    stem = name[: -len(suffix)] if name.lower().endswith(suffix) else f"{image_file.path.parent.stem}.{name}"
    if FORMATS[suffix] is _PILLOW_IMAGE:
        suffix = ".png" if labels else ".tif"
    return folder / f"{stem}{suffix}"


def check_output_path(path: Path) -> None:
    """Raise ImageError if a result's path is a directory that is not an earlier zarr result."""
    if path.is_dir() and not (_match_suffix(path) == ".zarr" and zarr_file.is_array(path)):
        raise ImageError(f"{path}: is a directory and is not overwritten; move it, or choose another --out")


@contextmanager
def open_output(path: Path, shape: Sequence[int], dtype: Any, like: ImageFile) -> Iterator[Any]:
    """Yield an array to write a result to; the file appears at its path when the block ends without an error.

    Args:
        path: The final path, whose suffix selects the format.
        shape: The shape of the result, (channels, *size), with the axes of ``like``.
        dtype: The numpy data type of the result.
        like: The image, whose metadata the result keeps.

    Raises:
        ImageError: The file cannot be written, or a directory is at its path.
        MissingDependencyError: The format needs a package that is not installed.
    """
    check_output_path(path)
    try:
        with replace_when_complete(path) as partial:
            channels, *size = shape
            stored = (channels, *(reversed(size) if like.has_reversed_axes else size))
            with FORMATS[_match_suffix(path)].create(partial, stored, dtype, like) as out:
                yield ReversedAxes(out) if like.has_reversed_axes else out
            # Prediction takes a while, and another program may have created a folder there in the meantime.
            check_output_path(path)
    except ImportError as error:
        raise MissingDependencyError(f"writing {path.name}", error.name or "a package", "images") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}; choose another path") from error
