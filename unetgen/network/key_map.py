"""Key maps: what a foreign network calls our layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from unetgen.config.library import shipped_folder
from unetgen.config.yaml_source import read_bytes
from unetgen.errors import WeightsError

# A mapping of their layer paths to ours, the name of a shipped map, or a YAML file of one. What maps to null is
# something else that their files hold beside the weights, and is left out.
KeyMap = Mapping[str, str | None] | str | Path


def translated(tensors: Mapping[str, Any], key_map: KeyMap, name: str) -> dict[str, Any]:
    """A foreign state dict under our keys. Several of their layers may be one of ours; then they must be equal."""
    layers = key_map if isinstance(key_map, Mapping) else _from_file(key_map)
    ours: dict[str, Any] = {}
    for key, value in tensors.items():
        layer, _, parameter = key.rpartition(".")
        if key in layers and layers[key] is None:
            continue
        if layer not in layers:
            raise WeightsError(f"{name}: the key map has no layer {layer or key!r}; is it the map of this network?")
        target = f"{layers[layer]}.{parameter}"
        if target in ours and not _equal(ours[target], value):
            raise WeightsError(f"{name}: two different tensors map to {target}; is it the map of this network?")
        ours[target] = value
    return ours


def _equal(first: Any, second: Any) -> bool:
    return isinstance(first, Tensor) and isinstance(second, Tensor) and first.equal(second)


def _from_file(key_map: str | Path) -> dict[str, str | None]:
    shipped = shipped_folder() / "key_maps" / f"{key_map}.yaml"
    path = shipped if shipped.is_file() else Path(key_map)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in shipped.parent.glob("*.yaml")))
        raise WeightsError(f"{key_map}: there is no such key map; shipped ones are {known}")
    entries = read_bytes(path.read_bytes(), str(path)).plain()
    return {key: None if value is None else str(value) for key, value in entries.items()}
