"""Read and write files of tensors: safetensors with a spec inside, and state dicts of torch. No code in them runs."""

from __future__ import annotations

import codecs
import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from unetgen.atomic_files import replace_when_complete
from unetgen.config.weights_file import SPEC_KEY, parse_embedded_spec
from unetgen.errors import WeightsError

HASH_KEY, VERSION_KEY, ORDER_KEY = "unetgen.hash", "unetgen.version", "unetgen.order"

# The maximum number of types that a message names.
_MAX_NAMED_TYPES = 5

# The first bytes of torch files: a zip archive, or a pickle before torch 1.6.
_TORCH_MAGIC = (b"PK\x03\x04", b"\x80")


def write_safetensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: str | Path) -> None:
    """Write a safetensors file atomically. Raises WeightsError."""
    write_atomically(path, lambda partial: save_file(dict(tensors), partial, dict(metadata)))


def write_state_dict(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Write a state dict without a spec, atomically.

    Args:
        tensors: The state dict; keys may share a tensor.
        path: The file. ``.pt`` and ``.pth`` get torch's format, other suffixes safetensors. A safetensors file sorts
            its keys, so the original order is stored in its metadata.

    Raises:
        WeightsError: The file cannot be written.
    """
    if Path(path).suffix in (".pt", ".pth"):
        write_atomically(path, lambda partial: torch.save(dict(tensors), partial))
    else:
        # safetensors rejects tensors that share memory.
        copies = {key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}
        write_safetensors(copies, {"format": "pt", ORDER_KEY: json.dumps(list(tensors))}, path)


def write_atomically(path: str | Path, write_content: Callable[[Path], object]) -> None:
    """Write a file so that its path only ever holds a complete one.

    Args:
        path: The file.
        write_content: A function that writes the content to the temporary path that it gets.

    Raises:
        WeightsError: The file cannot be written.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise WeightsError(f"{path}: cannot be written: folder not found: {target.parent}; create it first")
    try:
        with replace_when_complete(target) as partial:
            write_content(partial)
    except Exception as error:  # safetensors' own error class has no public name
        reason = getattr(error, "strerror", None) or str(error).removeprefix("Error while serializing: ")
        raise WeightsError(f"{path}: cannot be written: {reason}; choose another path") from error


def read_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Read a safetensors file or a torch file.

    Args:
        path: The file; its format is detected from its content.

    Returns:
        The entries by name, and the resolved spec in the file's metadata, if any.

    Raises:
        WeightsError: The file is missing, damaged, or contains more than tensors.
    """
    file = Path(path)
    if not file.is_file():
        raise WeightsError(f"{path}: file not found; check the path")
    with file.open("rb") as opened:
        start = opened.read(9)
    # A safetensors file starts with the length of its JSON header, whose lowest byte may equal a pickle's first.
    if start.startswith(_TORCH_MAGIC) and start[8:] != b"{":
        return _read_torch(file), None
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            # Copied, since tensors in the mapped file are not aligned like torch's own memory, so that convolutions
            # round differently, and since truncating the file would crash a network that uses it.
            tensors = {name: opened.get_tensor(name).clone() for name in _restore_order(list(opened.keys()), metadata)}
    except Exception as error:  # safetensors' own error class has no public name
        raise WeightsError(f"{path}: not a safetensors file: {error}; check that it was copied completely") from error
    return tensors, _parse_spec(metadata, path)


def _restore_order(names: list[str], metadata: Mapping[str, str]) -> list[str]:
    """Return the names in the order stored in the metadata, if any."""
    try:
        order = json.loads(metadata.get(ORDER_KEY, "null"))
        return list(order) if sorted(order) == sorted(names) else names
    except (ValueError, TypeError):
        return names


def _parse_spec(metadata: Mapping[str, str], path: str | Path) -> dict[str, Any] | None:
    if SPEC_KEY not in metadata:
        return None
    spec = parse_embedded_spec(metadata[SPEC_KEY])
    if spec is None:
        raise WeightsError(f"{path}: the spec in the file is not a resolved spec; write the file with unetgen.save")
    return spec


def _read_torch(file: Path) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            # torch warns about the format of some files before it rejects them.
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals(_numpy_number_globals()):
                loaded = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, AttributeError, OSError) as error:
        # torch's own message recommends to load the file without the safety check.
        blocking = _find_blocking_types(file)
        what = f"contains {', '.join(blocking)} beside tensors" if blocking else "not a file of tensors only"
        raise WeightsError(f"{file}: {what}, so it is not loaded; save a state dict with torch.save") from error
    if not isinstance(loaded, dict):
        raise WeightsError(f"{file}: not a state dict; save model.state_dict() with torch.save")
    return loaded


def _find_blocking_types(file: Path) -> list[str]:
    """Return the names of the types in a torch file whose code loading would run; empty if they are not known."""
    try:
        with torch.serialization.safe_globals(_numpy_number_globals()):
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))[:_MAX_NAMED_TYPES]
    except Exception:  # a damaged file, or one of a torch before 1.6
        return []


def _numpy_number_globals() -> list[Any]:
    """Return the globals of pickled numpy numbers, which checkpoints hold as losses and scores."""
    try:
        import numpy
        from numpy._core.multiarray import scalar
    except ImportError:
        return []
    number_types = [type(numpy.dtype(code)) for code in "?bhilqBHILQefd"]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [*((scalar, name) for name in names), numpy.dtype, *number_types, codecs.encode]
