"""A network and its weights files. Each file carries the resolved spec, so that it alone rebuilds the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.config.registry.registry import Registry
from unetgen.config.resolution import resolve
from unetgen.config.spec_diff import find_differing_fields
from unetgen.config.spec_sources import load_tree
from unetgen.errors import WeightsError
from unetgen.graph.from_spec import build_graph
from unetgen.network.assembly import assemble
from unetgen.network.initialization import initialize_external_modules
from unetgen.network.unet import UNet
from unetgen.network.weights.key_map import KeyMap, translate_keys
from unetgen.network.weights.tensor_file import HASH_KEY, SPEC_KEY, VERSION_KEY, read_tensors, write_safetensors


def save(model: UNet, path: str | Path) -> None:
    """Writes weights and resolved spec to a safetensors file, whole or not at all. Raises WeightsError."""
    model = unwrap_compiled(model)
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        hint = "build it on another device"
        raise WeightsError(f"{path}: this network is on the meta device and has no weights; {hint}")
    resolved = json.dumps(model.spec.resolved())
    metadata = {"format": "pt", SPEC_KEY: resolved, HASH_KEY: model.spec.hash, VERSION_KEY: version("unetgen")}
    tensors = {key: tensor.detach().contiguous() for key, tensor in model.state_dict().items()}
    write_safetensors(tensors, metadata, path)


def load(path: str | Path, registry: Registry, device: str | torch.device = "cpu") -> UNet:
    """The network of a weights file, rebuilt from the spec in it, in evaluation mode."""
    tensors, carried = read_tensors(path)
    if carried is None:
        hint = "build the network from its spec and use load_weights(model, path)"
        raise WeightsError(f"{path}: this file carries no spec; {hint}")
    spec = resolve(load_tree(carried, registry), registry)
    model = assemble(spec, build_graph(spec), registry)
    _check_tensors(model, tensors, str(path), [])
    model.load_state_dict(tensors, assign=True)
    return model.eval().to(device)


def load_weights(
    model: UNet, weights: str | Path | Mapping[str, Tensor], *, key_map: KeyMap | None = None, strict: bool = True
) -> None:
    """Copies weights into a network: a safetensors file, a torch file of a state dict, or a state dict.

    ``key_map`` names the layers of a foreign network (see ``network.key_map``). A file that carries a spec of
    another architecture is refused with the fields that differ; ``strict=False`` takes it where the tensors fit.
    A network on the meta device gets the tensors themselves. Raises WeightsError.
    """
    model = unwrap_compiled(model)
    name = "the state dict" if isinstance(weights, Mapping) else str(weights)
    tensors, carried = (dict(weights), None) if isinstance(weights, Mapping) else read_tensors(weights)
    if key_map is not None:
        tensors = translate_keys(tensors, key_map, name)
    lines = find_differing_fields(carried, model.spec.resolved()) if carried else []
    if lines and strict:
        raise WeightsError(_mismatch_message(name, lines))
    _check_tensors(model, tensors, name, lines)
    on_meta = next(model.parameters()).is_meta
    if on_meta:
        initialize_external_modules(model, 0, with_initial_weights=False)
    model.load_state_dict(tensors, assign=on_meta)


def unwrap_compiled(model: UNet) -> UNet:
    """The network itself, where torch.compile has wrapped it."""
    inner = getattr(model, "_orig_mod", model)
    if not isinstance(inner, UNet):
        raise WeightsError(f"a {type(inner).__name__} is not a network of unetgen; pass the network inside it")
    return inner


def _check_tensors(model: UNet, tensors: Mapping[str, Any], name: str, spec_differences: list[str]) -> None:
    others = [key for key, value in tensors.items() if not isinstance(value, Tensor)]
    if others:
        raise WeightsError(f"{name}: not a state dict, {others[0]!r} is no tensor; save model.state_dict()")
    wanted = model.state_dict()
    found = [f"{key} is missing" for key in wanted if key not in tensors]
    found += [f"{key} is not of this network" for key in tensors if key not in wanted]
    found += [
        f"{key} has shape {tuple(tensors[key].shape)}, this network's has {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in tensors and tensors[key].shape != tensor.shape
    ]
    if found:
        raise WeightsError(_mismatch_message(name, [*spec_differences, *found]))


def _mismatch_message(name: str, differences: list[str], max_lines: int = 12) -> str:
    rest = [f"... and {len(differences) - max_lines} more"] if len(differences) > max_lines else []
    head = f"{name}: these weights are of another network; build the network that they belong to"
    return "\n  ".join([head, *differences[:max_lines], *rest])
