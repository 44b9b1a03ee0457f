"""A checkpoint of another implementation: its tensors by name, freed of what training scripts wrap around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from unetgen.errors import WeightsError
from unetgen.network.weights.tensor_file import read_tensors

WeightsSource = str | Path | Mapping[str, Any]

# What DataParallel and DistributedDataParallel, and what torch.compile put before every key.
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True, slots=True)
class ExternalCheckpoint:
    """The state dict in a checkpoint. ``others`` are entries of it that are no tensors."""

    name: str
    tensors: dict[str, Tensor]
    non_tensors: tuple[str, ...] = ()

    @classmethod
    def of(cls, weights: WeightsSource) -> ExternalCheckpoint:
        """A safetensors file, a torch file, or a mapping, each with a state dict at any depth. Raises WeightsError."""
        name = "the state dict" if isinstance(weights, Mapping) else str(weights)
        held = weights if isinstance(weights, Mapping) else read_tensors(weights)[0]
        entries = _strip_wrapper_prefixes(_find_single_state_dict(held, name))
        tensors = {key: value for key, value in entries.items() if isinstance(value, Tensor)}
        return cls(name, tensors, tuple(key for key in entries if key not in tensors))

    @property
    def is_sorted(self) -> bool:
        """Whether the tensors stand in the order of their names, which says nothing about that of the layers.

        A safetensors file holds them so, type by type.
        """
        by_type: dict[Any, list[str]] = {}
        for key, tensor in self.tensors.items():
            by_type.setdefault(tensor.dtype, []).append(key)
        return all(keys == sorted(keys) for keys in by_type.values())


def _find_single_state_dict(entries: Mapping[Any, Any], name: str) -> Mapping[str, Any]:
    found = _find_state_dicts(entries, "")
    if not found:
        raise WeightsError(f"{name}: there are no tensors in it; save model.state_dict() with torch.save")
    if len(found) > 1:
        places = ", ".join(found)
        raise WeightsError(f"{name}: there are several state dicts in it, {places}; save one of them with torch.save")
    return next(iter(found.values()))


def _find_state_dicts(entries: Mapping[Any, Any], path: str) -> dict[str, Mapping[str, Any]]:
    """Each state dict in a checkpoint, by its place.

    A state dict is flat, so what holds another one is a wrapper. An optimizer numbers its tensors, and is none.
    """
    if not all(isinstance(key, str) for key in entries):
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for key, value in entries.items():
        if isinstance(value, Mapping):
            found |= _find_state_dicts(value, f"{path}.{key}" if path else key)
    if found or not any(isinstance(value, Tensor) for value in entries.values()):
        return found
    return {path: entries}


def _strip_wrapper_prefixes(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries without the prefix of a wrapper, where every tensor has it."""
    bare = dict(entries)
    while prefix := _find_wrapper_prefix(bare):
        bare = {key.removeprefix(prefix): value for key, value in bare.items()}
    return bare


def _find_wrapper_prefix(entries: Mapping[str, Any]) -> str:
    keys = [key for key, value in entries.items() if isinstance(value, Tensor)]
    return next((prefix for prefix in _WRAPPER_PREFIXES if all(key.startswith(prefix) for key in keys)), "")
