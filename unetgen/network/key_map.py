"""Key maps: what a foreign network calls our layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from unetgen.config.library import shipped_folder
from unetgen.config.yaml_source import read_bytes
from unetgen.errors import WeightsError

# A mapping of their layer paths to ours, the name of a shipped map, or a YAML file of one.
KeyMap = Mapping[str, str] | str | Path


def translated(tensors: Mapping[str, Tensor], key_map: KeyMap, name: str) -> dict[str, Tensor]:
    """A foreign state dict under our keys. Several of their layers may be one of ours; then they must be equal."""
    layers = key_map if isinstance(key_map, Mapping) else _from_file(key_map)
    ours: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        layer, _, parameter = key.rpartition(".")
        if layer not in layers:
            raise WeightsError(f"{name}: the key map has no layer {layer!r}; is it the map of this network?")
        target = f"{layers[layer]}.{parameter}"
        if target in ours and not ours[target].equal(tensor):
            raise WeightsError(f"{name}: two different tensors map to {target}; is it the map of this network?")
        ours[target] = tensor
    return ours


def _from_file(key_map: str | Path) -> dict[str, str]:
    shipped = shipped_folder() / "key_maps" / f"{key_map}.yaml"
    path = shipped if shipped.is_file() else Path(key_map)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in shipped.parent.glob("*.yaml")))
        raise WeightsError(f"{key_map}: there is no such key map; shipped ones are {known}")
    return {key: str(value) for key, value in read_bytes(path.read_bytes(), str(path)).plain().items()}
