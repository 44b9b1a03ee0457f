"""Files of tensors: safetensors with a spec inside, and torch's files of a state dict. Nothing in them is run."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.atomic_files import replace_when_complete
from unetgen.errors import MissingDependencyError, WeightsError

SPEC_KEY, HASH_KEY, VERSION_KEY, ORDER_KEY = "unetgen.spec", "unetgen.hash", "unetgen.version", "unetgen.order"

# How torch's files begin: a zip archive, and before torch 1.6 a pickle.
_TORCH_MAGIC = (b"PK\x03\x04", b"\x80")


def write_safetensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: str | Path) -> None:
    """Writes a safetensors file, whole or not at all."""
    _, save_file = _import_safetensors()
    write_atomically(path, lambda partial: save_file(dict(tensors), partial, dict(metadata)))


def write_state_dict(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Writes a bare state dict in its order, whole or not at all: torch's format for .pt and .pth, or safetensors.

    Keys may share a tensor. A safetensors file sorts them, and so carries their order beside them.
    """
    if Path(path).suffix in (".pt", ".pth"):
        write_atomically(path, lambda partial: torch.save(dict(tensors), partial))
    else:
        apart = {key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}
        write_safetensors(apart, {"format": "pt", ORDER_KEY: json.dumps(list(tensors))}, path)


def write_atomically(path: str | Path, write_content: Callable[[Path], object]) -> None:
    """Writes a file beside its place and moves it there when it is done. Raises WeightsError."""
    target = Path(path)
    if not target.parent.is_dir():
        raise WeightsError(f"{path}: cannot be written: there is no folder {target.parent}; make it first")
    try:
        with replace_when_complete(target) as partial:
            write_content(partial)
    except Exception as error:  # safetensors' own error class has no public name
        reason = getattr(error, "strerror", None) or str(error).removeprefix("Error while serializing: ")
        raise WeightsError(f"{path}: cannot be written: {reason}; choose another place") from error


def read_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What a file holds by name, and the resolved spec that it carries, if any."""
    file = Path(path)
    if not file.is_file():
        raise WeightsError(f"{path}: there is no such file; check the path")
    with file.open("rb") as opened:
        start = opened.read(9)
    # A safetensors file begins with the length of its JSON, whose lowest byte may look like a pickle's first.
    if start.startswith(_TORCH_MAGIC) and start[8:] != b"{":
        return _read_torch(file), None
    open_file, _ = _import_safetensors()
    try:
        with open_file(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            # Copied: as they lie in the file they begin anywhere, and a convolution then rounds in another order than
            # with torch's own memory; and a file that somebody cuts short must not take a running network with it.
            tensors = {name: opened.get_tensor(name).clone() for name in _restore_order(list(opened.keys()), metadata)}
    except Exception as error:  # safetensors' own error class has no public name
        raise WeightsError(f"{path}: not a safetensors file: {error}; was it copied whole?") from error
    return tensors, _parse_spec(metadata, path)


def _restore_order(names: list[str], metadata: Mapping[str, str]) -> list[str]:
    """The names in the order that the file carries, if it does."""
    try:
        order = json.loads(metadata.get(ORDER_KEY, "null"))
        return list(order) if sorted(order) == sorted(names) else names
    except (ValueError, TypeError):
        return names


def _parse_spec(metadata: Mapping[str, str], path: str | Path) -> dict[str, Any] | None:
    if SPEC_KEY not in metadata:
        return None
    try:
        spec = json.loads(metadata[SPEC_KEY])
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


def _import_safetensors() -> tuple[Any, Any]:
    try:
        from safetensors import safe_open
        from safetensors.torch import save_file
    except ImportError:
        raise MissingDependencyError("a weights file", "safetensors", "weights") from None
    return safe_open, save_file
