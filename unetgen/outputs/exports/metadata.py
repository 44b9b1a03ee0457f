"""Collect and read the metadata of exported files, which has the same keys in every format."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from unetgen.errors import FormatError, MissingDependencyError
from unetgen.preprocessing import PREPROCESSING_KEY

if TYPE_CHECKING:
    from unetgen.network.unet import UNet
    from unetgen.outputs.exports.sizes import ExportSizes

# The metadata of exported programs; safetensors files have their own keys.
METADATA_KEYS = ("unetgen.spec", "unetgen.hash", "unetgen.version", "unetgen.input", "unetgen.sizes")


def collect_metadata(model: UNet, sizes: ExportSizes) -> dict[str, str]:
    """Collect the metadata of a program.

    Args:
        model: The network.
        sizes: The input sizes of the program.

    Returns:
        The resolved spec as JSON, its hash, the version of unetgen, the input axes and the sizes.
    """
    axes = ["batch", str(model.graph.in_channels), *["size"] * model.graph.dims]
    values = (
        json.dumps(model.spec.resolved()), model.spec.hash, version("unetgen"), ", ".join(axes), sizes.description,
    )  # fmt: skip
    preprocessing = {PREPROCESSING_KEY: model.preprocessing.to_json()} if model.preprocessing else {}
    return dict(zip(METADATA_KEYS, values, strict=True)) | preprocessing


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read the metadata of an exported file.

    Args:
        path: A file that ``unetgen export`` wrote as pt2, aoti or onnx.

    Returns:
        The values under ``METADATA_KEYS``, and the preprocessing as JSON if it is known.

    Raises:
        FormatError: The file is missing, invalid, or was not written by unetgen.
        MissingDependencyError: The file is an ONNX file and onnx is not installed.
    """
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"{path}: file not found; check the path")
    metadata = _read_onnx_metadata(file) if file.suffix.lower() == ".onnx" else _read_archive_metadata(file)
    if not set(METADATA_KEYS) <= set(metadata):
        raise FormatError(f"{path}: contains no spec; write the file with unetgen export")
    return {key: metadata[key] for key in (*METADATA_KEYS, PREPROCESSING_KEY) if key in metadata}


def _read_onnx_metadata(file: Path) -> dict[str, str]:
    try:
        import onnx
    except ImportError:
        raise MissingDependencyError("reading ONNX", "onnx", "onnx") from None
    try:
        program = onnx.load(file, load_external_data=False)
    except Exception as error:  # protobuf's error class is not part of its public interface
        raise FormatError(f"{file}: not an ONNX file; export it again") from error
    return {item.key: item.value for item in program.metadata_props}


def _read_archive_metadata(file: Path) -> dict[str, str]:
    """Read the metadata file in a package of torch, which is a zip archive."""
    try:
        with ZipFile(file) as archive:
            name = next((n for n in archive.namelist() if n.endswith("unetgen.json")), None)
            metadata: dict[str, str] = json.loads(archive.read(name)) if name else {}
    except (BadZipFile, ValueError):
        raise FormatError(f"{file}: not a package of torch; export it again") from None
    return metadata
