"""Read the spec and the preprocessing in a weights file of unetgen, from its header, without importing torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unetgen.config.yaml.file_kinds import is_safetensors
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import Problem, SourceLocation, SpecError
from unetgen.preprocessing import PREPROCESSING_KEY, Preprocessing

# The key of the resolved spec in the metadata of a safetensors file.
SPEC_KEY = "unetgen.spec"

# The limit of the safetensors format.
_MAX_HEADER_BYTES = 100_000_000


def is_weights_path(spec: object) -> bool:
    """Return whether a spec is given as the path of a weights file of unetgen."""
    return isinstance(spec, (str, Path)) and str(spec).endswith(".safetensors")


def read_embedded_spec(file: Path, source: str) -> YamlNode:
    """Return the tree of the spec inside a weights file.

    Args:
        file: A safetensors file.
        source: The file's name in source locations.

    Raises:
        SpecError: The file contains no spec of unetgen, or is damaged.
        OSError: The file cannot be read.
    """
    location = SourceLocation(source)
    try:
        metadata = _read_metadata(file)
    except ValueError as error:
        hint = "check that the file was copied completely"
        problem = Problem("weights_file", "", f"not a safetensors file: {error}", hint, location)
        raise SpecError([problem]) from None
    if SPEC_KEY not in metadata:
        hint = "write the spec of its network, then: unetgen import-weights SPEC FILE"
        raise SpecError([Problem("weights_file", "", "the weights file contains no spec", hint, location)])
    spec = parse_embedded_spec(metadata[SPEC_KEY])
    if spec is None:
        hint = "write the file with unetgen.save"
        message = "the spec in the weights file is not a resolved spec"
        raise SpecError([Problem("weights_file", "", message, hint, location)])
    return from_data(spec, source)


def read_embedded_preprocessing(file: Path) -> Preprocessing | None:
    """Return the preprocessing in a weights file, or None for a file without one and for files of other formats.

    Raises:
        WeightsError: The preprocessing in the file is invalid.
        OSError: The file cannot be read.
    """
    with file.open("rb") as opened:
        if not is_safetensors(opened.read(9)):
            return None
    try:
        text = _read_metadata(file).get(PREPROCESSING_KEY)
    except ValueError:
        return None  # reading the tensors reports a damaged file
    return None if text is None else Preprocessing.parse(text, str(file))


def parse_embedded_spec(text: str) -> dict[str, Any] | None:
    """Return the resolved spec of a file's metadata, or None.

    A spec with ``extends`` is refused: ``save`` does not write one, and it could open any file that it names.
    """
    try:
        spec = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return spec if isinstance(spec, dict) and "extends" not in spec else None


def _read_metadata(file: Path) -> dict[str, Any]:
    """Return the metadata in the JSON header of a safetensors file. Raises ValueError."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > _MAX_HEADER_BYTES:
            raise ValueError(f"its header has {length:,} bytes")
        raw = opened.read(length)
    if len(raw) < length:
        raise ValueError(f"its header has {len(raw):,} of {length:,} bytes")
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("its header is not JSON") from None
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return metadata if isinstance(metadata, dict) else {}
