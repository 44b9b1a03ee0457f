"""Metadata: what every file says of the network in it, under the same names."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from unetgen.errors import FormatError, MissingDependencyError

if TYPE_CHECKING:
    from unetgen.network.unet import UNet
    from unetgen.outputs.exports.sizes import ExportSizes

# What is read of a program's file, beside safetensors' own.
METADATA_KEYS = ("unetgen.spec", "unetgen.hash", "unetgen.version", "unetgen.input", "unetgen.sizes")


def collect_metadata(model: UNet, sizes: ExportSizes) -> dict[str, str]:
    """The resolved spec as JSON, its hash, our version, the axes of the input and the sizes that the program takes."""
    axes = ["batch", str(model.graph.in_channels), *["size"] * model.graph.dims]
    values = (
        json.dumps(model.spec.resolved()), model.spec.hash, version("unetgen"), ", ".join(axes), sizes.description,
    )  # fmt: skip
    return dict(zip(METADATA_KEYS, values, strict=True))


def read_metadata(path: str | Path) -> dict[str, str]:
    """What an exported file says of its network. Raises FormatError where it says nothing, and MissingExtra."""
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"{path}: there is no such file; check the path")
    found = _read_onnx_metadata(file) if file.suffix.lower() == ".onnx" else _read_archive_metadata(file)
    if not set(METADATA_KEYS) <= set(found):
        raise FormatError(f"{path}: carries no spec; unetgen export writes files that do")
    return {key: found[key] for key in METADATA_KEYS}


def _read_onnx_metadata(file: Path) -> dict[str, str]:
    try:
        import onnx
    except ImportError:
        raise MissingDependencyError("reading ONNX", "onnx", "onnx") from None
    try:
        program = onnx.load(file, load_external_data=False)
    except Exception as error:  # protobuf has an error class of its own
        raise FormatError(f"{file}: is no ONNX file; export it again") from error
    return {item.key: item.value for item in program.metadata_props}


def _read_archive_metadata(file: Path) -> dict[str, str]:
    """torch's packages are zip archives, with what we add in a file of its own."""
    try:
        with ZipFile(file) as archive:
            name = next((n for n in archive.namelist() if n.endswith("unetgen.json")), None)
            found: dict[str, str] = json.loads(archive.read(name)) if name else {}
    except (BadZipFile, ValueError):
        raise FormatError(f"{file}: is none of torch's packages; export it again") from None
    return found
