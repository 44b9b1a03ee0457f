"""Assemble a network: module tree, weights, plugin transforms."""

from __future__ import annotations

import torch

from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.graph.graph import Graph
from unetgen.network.initialization import initialize_external_modules, materialize
from unetgen.network.plugin_transforms import apply_plugin_transforms
from unetgen.network.unet import UNet, build_network


def assemble_on_meta(spec: Spec, graph: Graph) -> UNet:
    """Build the network of a graph on the meta device, without memory for its tensors."""
    with torch.device("meta"):
        return build_network(spec, graph)


def assemble(spec: Spec, graph: Graph, registry: Registry, seed: int | None = None) -> UNet:
    """Build the network of a graph and apply the plugin transforms that its spec names.

    Args:
        spec: The resolved spec.
        graph: The graph of the spec.
        registry: The registry whose plugins transform the finished network.
        seed: The seed of the initial weights. None if other weights are assigned next: then nothing is sampled or
            read from a pretrained file, and tensors stay on the meta device unless a transform may look at them.

    Returns:
        The network, on the CPU if it has a seed.

    Raises:
        PluginError: If a plugin's module, init or transform fails.
    """
    model = assemble_on_meta(spec, graph)
    if seed is not None:
        materialize(model, seed)
    elif spec.model_built:
        materialize(model, 0, with_initial_weights=False)
    else:
        initialize_external_modules(model, 0, with_initial_weights=False)
        return model
    return apply_plugin_transforms(model, registry)
