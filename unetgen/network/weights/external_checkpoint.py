"""Read checkpoints of other implementations, without the wrappers that training scripts add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from unetgen.errors import WeightsError
from unetgen.network.weights.tensor_file import read_tensors

WeightsSource = str | Path | Mapping[str, Any]

# Key prefixes of DataParallel and DistributedDataParallel, and of torch.compile.
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True, slots=True)
class ExternalCheckpoint:
    """The state dict in a checkpoint; ``non_tensors`` are the keys of its other entries."""

    name: str
    tensors: dict[str, Tensor]
    non_tensors: tuple[str, ...] = ()

    @classmethod
    def of(cls, weights: WeightsSource) -> ExternalCheckpoint:
        """Read a safetensors file, a torch file or a mapping that contains one state dict at any depth.

        Raises:
            WeightsError: The file cannot be read, or contains no state dict or several.
        """
        name = "the state dict" if isinstance(weights, Mapping) else str(weights)
        content = weights if isinstance(weights, Mapping) else read_tensors(weights)[0]
        entries = _strip_wrapper_prefixes(_find_single_state_dict(content, name))
        tensors = {key: value for key, value in entries.items() if isinstance(value, Tensor)}
        return cls(name, tensors, tuple(key for key in entries if key not in tensors))

    @property
    def is_sorted(self) -> bool:
        """Whether the tensors are sorted by name, so that their order is not that of the layers.

        safetensors files are sorted, within each dtype.
        """
        by_type: dict[Any, list[str]] = {}
        for key, tensor in self.tensors.items():
            by_type.setdefault(tensor.dtype, []).append(key)
        return all(keys == sorted(keys) for keys in by_type.values())


def _find_single_state_dict(entries: Mapping[Any, Any], name: str) -> Mapping[str, Any]:
    state_dicts = _find_state_dicts(entries, "")
    if not state_dicts:
        raise WeightsError(f"{name}: contains no tensors; save model.state_dict() with torch.save")
    if len(state_dicts) > 1:
        raise WeightsError(f"{name}: contains several state dicts: {', '.join(state_dicts)}; save one with torch.save")
    return next(iter(state_dicts.values()))


def _find_state_dicts(entries: Mapping[Any, Any], path: str) -> dict[str, Mapping[str, Any]]:
    """Return each state dict in a checkpoint by its dotted path.

    A state dict is flat, so a mapping that contains one is a wrapper. Optimizer states have integer keys.
    """
    if not all(isinstance(key, str) for key in entries):
        return {}
    nested: dict[str, Mapping[str, Any]] = {}
    for key, value in entries.items():
        if isinstance(value, Mapping):
            nested |= _find_state_dicts(value, f"{path}.{key}" if path else key)
    if nested or not any(isinstance(value, Tensor) for value in entries.values()):
        return nested
    return {path: entries}


def _strip_wrapper_prefixes(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Remove wrapper prefixes that every tensor has."""
    stripped = dict(entries)
    while prefix := _find_wrapper_prefix(stripped):
        stripped = {key.removeprefix(prefix): value for key, value in stripped.items()}
    return stripped


def _find_wrapper_prefix(entries: Mapping[str, Any]) -> str:
    keys = [key for key, value in entries.items() if isinstance(value, Tensor)]
    return next((prefix for prefix in _WRAPPER_PREFIXES if all(key.startswith(prefix) for key in keys)), "")
