"""Files of tensors: safetensors with a spec inside, and torch's files of a state dict. Nothing in them is run."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.errors import MissingExtra, WeightsError

SPEC, HASH, VERSION = "unetgen.spec", "unetgen.hash", "unetgen.version"

# How torch's files begin: a zip archive, and before torch 1.6 a pickle.
_TORCH = (b"PK\x03\x04", b"\x80")


def write(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: str | Path) -> None:
    """Writes a safetensors file, whole or not at all."""
    _, save_file = _safetensors()
    target = Path(path)
    if not target.parent.is_dir():
        raise WeightsError(f"{path}: cannot be written: there is no folder {target.parent}; make it first")
    partial = target.with_name(target.name + ".partial")
    try:
        save_file(dict(tensors), partial, dict(metadata))
        partial.replace(target)
    except Exception as error:  # safetensors' own error class has no public name
        reason = getattr(error, "strerror", None) or str(error).removeprefix("Error while serializing: ")
        raise WeightsError(f"{path}: cannot be written: {reason}; choose another place") from error
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a file holds by name, and the resolved spec that it carries, if any."""
    file = Path(path)
    if not file.is_file():
        raise WeightsError(f"{path}: there is no such file; check the path")
    with file.open("rb") as opened:
        start = opened.read(4)
    if start.startswith(_TORCH):
        return _read_torch(file), None
    open_file, _ = _safetensors()
    try:
        with open_file(file, framework="pt") as opened:
            names = list(opened.keys())
            tensors, metadata = {name: opened.get_tensor(name) for name in names}, opened.metadata() or {}
    except Exception as error:  # safetensors' own error class has no public name
        raise WeightsError(f"{path}: not a safetensors file: {error}; was it copied whole?") from error
    return tensors, _spec_in(metadata, path)


def _spec_in(metadata: Mapping[str, str], path: str | Path) -> dict[str, Any] | None:
    if SPEC not in metadata:
        return None
    try:
        spec = json.loads(metadata[SPEC])
    except ValueError:
        spec = None
    # What save() writes extends nothing; what does could have any file opened that it names.
    if not isinstance(spec, dict) or "extends" in spec:
        raise WeightsError(f"{path}: the spec in this file is no resolved spec; was it written by unetgen.save?")
    return spec


def _read_torch(file: Path) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            # Of a file that it then refuses, torch first warns that it looks odd.
            warnings.simplefilter("ignore")
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, AttributeError, OSError) as error:
        # torch's own words advise to open it regardless.
        message = f"{file}: not a file of tensors alone, so it is not opened; save a state dict with torch.save"
        raise WeightsError(message) from error
    if not isinstance(loaded, dict):
        raise WeightsError(f"{file}: not a state dict; save model.state_dict() with torch.save")
    return loaded


def _safetensors() -> tuple[Any, Any]:
    try:
        from safetensors import safe_open
        from safetensors.torch import save_file
    except ImportError:
        raise MissingExtra("a weights file", "safetensors", "weights") from None
    return safe_open, save_file
