"""Weights files. Each carries the resolved spec, so that the file alone rebuilds the network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.config.from_yaml import resolve
from unetgen.config.library import tree_of
from unetgen.config.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import MissingExtra, WeightsError
from unetgen.graph.from_spec import draw
from unetgen.network.from_graph import UNet, network
from unetgen.network.key_map import KeyMap, translated

SPEC, HASH, VERSION = "unetgen.spec", "unetgen.hash", "unetgen.version"

# What can differ between two specs whose networks compute the same from the same weights.
_HARMLESS = ("name", "description", "input_size", "init", "plugins")


def save(model: UNet, path: str | Path) -> None:
    """Writes weights and resolved spec to a safetensors file, whole or not at all."""
    from importlib.metadata import version

    _, write = _safetensors()
    metadata = {
        "format": "pt",
        SPEC: json.dumps(model.spec.resolved()),
        HASH: model.spec.hash,
        VERSION: version("unetgen"),
    }
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    tensors = {key: tensor.detach().contiguous() for key, tensor in model.state_dict().items()}
    try:
        write(tensors, partial, metadata)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise WeightsError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error


def load(path: str | Path, registry: Registry, device: str | torch.device = "cpu") -> UNet:
    """The network of a weights file, rebuilt from the spec in it, in evaluation mode."""
    tensors, metadata = _read(path)
    if SPEC not in metadata:
        hint = "build the network from its spec and use load_weights(model, path)"
        raise WeightsError(f"{path}: this file carries no spec; {hint}")
    spec = resolve(tree_of(json.loads(metadata[SPEC])), registry)
    with torch.device("meta"):
        model = network(spec, draw(spec))
    _check_tensors(model, tensors, str(path))
    model.load_state_dict(tensors, assign=True)
    return model.eval().to(device)


def load_weights(
    model: UNet, weights: str | Path | Mapping[str, Tensor], *, key_map: KeyMap | None = None, strict: bool = True
) -> None:
    """Copies weights into a network: a safetensors file, a torch file of a state dict, or a state dict.

    ``key_map`` names the layers of a foreign network (see ``network.key_map``). A file that carries a spec of
    another architecture is refused with the fields that differ; ``strict=False`` takes it where the tensors fit.
    """
    name = "the state dict" if isinstance(weights, Mapping) else str(weights)
    tensors, metadata = (dict(weights), {}) if isinstance(weights, Mapping) else _read(weights)
    if key_map is not None:
        tensors = translated(tensors, key_map, name)
    differing = _differing(json.loads(metadata[SPEC]), model.spec) if SPEC in metadata else []
    if differing and strict:
        raise WeightsError(_foreign(name, differing))
    _check_tensors(model, tensors, name, differing)
    model.load_state_dict(tensors)


def _check_tensors(model: UNet, tensors: Mapping[str, Tensor], name: str, differing: list[str] | None = None) -> None:
    wanted = model.state_dict()
    found = [f"{key} is missing" for key in wanted if key not in tensors]
    found += [f"{key} is not of this network" for key in tensors if key not in wanted]
    found += [
        f"{key} has shape {tuple(tensors[key].shape)}, this network's has {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in tensors and tensors[key].shape != tensor.shape
    ]
    if found:
        raise WeightsError(_foreign(name, [*(differing or []), *found]))


def _foreign(name: str, lines: list[str], most: int = 12) -> str:
    rest = [f"... and {len(lines) - most} more"] if len(lines) > most else []
    head = f"{name}: these weights are of another network; build the network that they belong to"
    return "\n  ".join([head, *lines[:most], *rest])


def _differing(theirs: dict[str, Any], spec: Spec) -> list[str]:
    """The fields of two resolved specs that differ, as ``upsample.type: 'interpolate' there, ... here``."""
    there, here = dict(_flat(theirs)), dict(_flat(json.loads(json.dumps(spec.resolved()))))
    paths = [path for path in {**there, **here} if path.split(".")[0] not in _HARMLESS]
    return [
        f"{path}: {_said(there, path)} there, {_said(here, path)} here"
        for path in paths
        if there.get(path) != here.get(path)
    ]


def _said(values: dict[str, Any], path: str) -> str:
    return repr(values[path]) if path in values else "nothing"


def _flat(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, data


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    file = Path(path)
    if not file.is_file():
        raise WeightsError(f"{path}: there is no such file; check the path")
    if file.suffix != ".safetensors":
        return _read_torch(file), {}
    open_file, _ = _safetensors()
    try:
        with open_file(file, framework="pt") as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata() or {}  # noqa: SIM118  # not a dict
    except Exception as error:  # safetensors' own error class has no public name
        raise WeightsError(f"{path}: not a safetensors file: {error}; was it copied whole?") from error


def _read_torch(file: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # anything a damaged or hostile pickle brings up
        raise WeightsError(f"{file}: not a file of tensors: {error}; save a state dict with torch.save") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError(f"{file}: not a state dict; save model.state_dict() with torch.save")
    return loaded


def _safetensors() -> tuple[Any, Any]:
    try:
        from safetensors import safe_open
        from safetensors.torch import save_file
    except ImportError:
        raise MissingExtra("a weights file", "safetensors", "weights") from None
    return safe_open, save_file
