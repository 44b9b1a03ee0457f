"""Save and load networks: safetensors files that contain the resolved spec, so that the file alone is enough."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.config.registry.registry import Registry
from unetgen.config.spec_diff import find_differing_fields
from unetgen.config.spec_resolution import resolve
from unetgen.config.spec_sources import load_tree
from unetgen.config.weights_file import SPEC_KEY, read_embedded_preprocessing
from unetgen.errors import WeightsError
from unetgen.graph.from_spec import build_graph
from unetgen.network.assembly import assemble
from unetgen.network.initialization import initialize_external_modules
from unetgen.network.unet import UNet
from unetgen.network.weights.key_map import KeyMapSource, translate_state_dict
from unetgen.network.weights.tensor_file import (
    HASH_KEY,
    VERSION_KEY,
    read_tensors,
    write_safetensors,
)
from unetgen.preprocessing import PREPROCESSING_KEY, Preprocessing


def save(model: UNet, path: str | Path, *, preprocessing: Preprocessing | Mapping[str, Any] | None = None) -> None:
    """Write the weights and the resolved spec of a network to a safetensors file, atomically.

    Args:
        model: The network, or its ``torch.compile`` wrapper.
        path: The file; an existing one is replaced once the new one is complete.
        preprocessing: What the network expects of its images, such as ``{"normalization": "zscore"}``; it is stored
            beside the spec, and ``unetgen predict`` prepares images in this way (default: ``model.preprocessing``).

    Raises:
        WeightsError: The network has no weights, ``preprocessing`` is invalid, or the file cannot be written.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> import unetgen
        >>> with TemporaryDirectory() as folder:
        ...     unetgen.save(unetgen.build("unet_1d", widths=[4, 8], seed=0), f"{folder}/net.safetensors")
        ...     unetgen.load(f"{folder}/net.safetensors").spec.widths
        (4, 8)
    """
    model = unwrap_compiled(model)
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        hint = "build it on another device"
        raise WeightsError(f"{path}: this network is on the meta device and has no weights; {hint}")
    resolved = json.dumps(model.spec.resolved())
    metadata = {"format": "pt", SPEC_KEY: resolved, HASH_KEY: model.spec.hash, VERSION_KEY: version("unetgen")}
    if preprocessing is not None:
        preprocessing = Preprocessing.parse(preprocessing, str(path))
    if expected := preprocessing or model.preprocessing:
        expected.check_network(model.graph.in_channels, model.graph.out_channels, model.graph.dims, str(path))
        metadata[PREPROCESSING_KEY] = expected.to_json()
    tensors = {key: tensor.detach().contiguous() for key, tensor in model.state_dict().items()}
    write_safetensors(tensors, metadata, path)


def load(path: str | Path, registry: Registry, device: str | torch.device = "cpu") -> UNet:
    """Rebuild the network of a weights file from the spec inside it, in evaluation mode.

    Args:
        path: A safetensors file written by ``save``.
        registry: The parts and plugins to resolve the spec with.
        device: The device of the weights.

    Returns:
        The network.

    Raises:
        WeightsError: The file cannot be read, contains no spec, or its tensors do not match it.
        SpecError: A plugin that the spec needs is missing.
    """
    tensors, spec_data = read_tensors(path)
    preprocessing = read_embedded_preprocessing(Path(path))
    if spec_data is None:
        hint = "build the network and call load_weights(model, path)"
        raise WeightsError(f"{path}: the file contains no spec; {hint}")
    spec = resolve(load_tree(spec_data, registry), registry)
    model = assemble(spec, build_graph(spec), registry)
    _check_tensors(model, tensors, str(path), [])
    model.load_state_dict(tensors, assign=True)
    model.preprocessing = preprocessing
    return model.eval().to(device)


def load_weights(
    model: UNet, weights: str | Path | Mapping[str, Tensor], *, key_map: KeyMapSource | None = None, strict: bool = True
) -> None:
    """Copy weights into a network.

    A network on the meta device gets the tensors themselves.

    Args:
        model: The network, or its ``torch.compile`` wrapper.
        weights: A safetensors file, a torch file of a state dict, or a state dict.
        key_map: The layer names of another implementation with those of this network (see
            ``unetgen.network.weights.key_map``).
        strict: Whether a file that contains the spec of another architecture is an error even if all tensors fit.

    Raises:
        WeightsError: The weights cannot be read or do not match; the differing spec fields or tensors are listed.

    Examples:
        >>> import unetgen
        >>> source = unetgen.build("unet_1d", widths=[4, 8], seed=1)
        >>> model = unetgen.build("unet_1d", widths=[4, 8], seed=2)
        >>> unetgen.load_weights(model, source.state_dict())
        >>> all(p.equal(q) for p, q in zip(model.parameters(), source.parameters()))
        True
    """
    model = unwrap_compiled(model)
    name = "the state dict" if isinstance(weights, Mapping) else str(weights)
    tensors, spec_data = (dict(weights), None) if isinstance(weights, Mapping) else read_tensors(weights)
    if key_map is not None:
        tensors = translate_state_dict(tensors, key_map, name)
    spec_differences = find_differing_fields(spec_data, model.spec.resolved()) if spec_data else []
    if spec_differences and strict:
        raise WeightsError(_mismatch_message(name, spec_differences))
    _check_tensors(model, tensors, name, spec_differences)
    on_meta = next(model.parameters()).is_meta
    if on_meta:
        initialize_external_modules(model, 0, with_initial_weights=False)
    model.load_state_dict(tensors, assign=on_meta)


def unwrap_compiled(model: UNet) -> UNet:
    """Return the network inside a ``torch.compile`` wrapper, or the network itself; raise WeightsError for others."""
    inner = getattr(model, "_orig_mod", model)
    if not isinstance(inner, UNet):
        raise WeightsError(f"a {type(inner).__name__} is not a unetgen network; pass the UNet that it wraps")
    return inner


def _check_tensors(model: UNet, tensors: Mapping[str, Any], name: str, spec_differences: list[str]) -> None:
    non_tensors = [key for key, value in tensors.items() if not isinstance(value, Tensor)]
    if non_tensors:
        raise WeightsError(f"{name}: not a state dict, {non_tensors[0]!r} is not a tensor; save model.state_dict()")
    expected = model.state_dict()
    differences = [f"{key} is missing" for key in expected if key not in tensors]
    differences += [f"{key} is not in this network" for key in tensors if key not in expected]
    differences += [
        f"{key} has shape {tuple(tensors[key].shape)}, expected {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in tensors and tensors[key].shape != tensor.shape
    ]
    if differences:
        raise WeightsError(_mismatch_message(name, [*spec_differences, *differences]))


def _mismatch_message(name: str, differences: list[str], max_lines: int = 12) -> str:
    rest = [f"... and {len(differences) - max_lines} more"] if len(differences) > max_lines else []
    head = f"{name}: the weights belong to another network; build that network"
    return "\n  ".join([head, *differences[:max_lines], *rest])
