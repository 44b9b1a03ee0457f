"""Initialise weights. Each tensor is sampled from its own generator, seeded by the tensor's path.

Equal seeds and equal paths therefore give equal tensors in any two networks, whatever else differs. A third-party
module initialises itself, with torch's generators seeded by the module's path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from unetgen.config.registry.attribution import attribute_plugin_errors
from unetgen.graph.external.measurement import instantiate
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.ops import Call, Parameter
from unetgen.graph.part_types import Init
from unetgen.network.layer_factory import resolve_target
from unetgen.network.scope import replace_module
from unetgen.network.unet import UNet

# Random initializers of torch.nn.init take a generator; these do not.
_CONSTANT_INITIALIZERS = ("nn.init.ones_", "nn.init.zeros_", "nn.init.constant_")


def sample_seed() -> int:
    """Sample a seed from torch's global generator, so that ``torch.manual_seed`` determines it."""
    return int(torch.randint(0, 2**62, (1,), device="cpu").item())


def materialize(model: UNet, seed: int, *, with_initial_weights: bool = True) -> None:
    """Allocate a network of the meta device on the CPU and initialise its weights.

    Args:
        model: The network, on the meta device.
        seed: The seed of all weights.
        with_initial_weights: Whether third-party modules get the arguments for their initial weights, which may read
            a pretrained file; False if other weights are assigned next.

    Raises:
        PluginError: An init or a module of a plugin fails.
    """
    model.to_empty(device="cpu")
    with attribute_plugin_errors(
        lambda part: model.spec.providers.get(part, ""), lambda provider: f"{provider} failed to initialise weights"
    ):
        initialize_parameters(model, model.graph.parameters, cast(Init, model.spec.init), seed)
    initialize_external_modules(model, seed, with_initial_weights=with_initial_weights)


def initialize_parameters(model: nn.Module, parameters: Mapping[str, Parameter], init: Init, seed: int) -> None:
    """Fill every tensor of a model on the CPU that the init is responsible for, and reset running statistics."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for key, parameter in parameters.items():
            if parameter.role != "own":
                initialize_tensor(tensors[key], key, parameter, init, seed)


def initialize_external_modules(model: UNet, seed: int, *, with_initial_weights: bool = True) -> None:
    """Rebuild each third-party module of a model on the CPU, since only its constructor knows its tensors.

    Args:
        model: The network whose modules are replaced.
        seed: The seed; each module's generator is seeded by it and the module's path.
        with_initial_weights: Whether to pass the arguments for initial weights to the constructors.

    Raises:
        PluginError: A constructor fails.
    """
    for node in model.graph.nodes:
        if not isinstance(node.op, ExternalModule) or node.layer_path != node.path:
            continue
        call = node.op.to_layer_call()
        if with_initial_weights:
            call = Call(call.target, {**call.arguments, **node.op.initial_arguments})
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, node.path))
            module = instantiate(call, node.op.origin)
        replace_module(model, node.path, module)


def initialize_tensor(tensor: Tensor, key: str, parameter: Parameter, init: Init, seed: int) -> None:
    """Fill one tensor by the rule of the init, with a generator seeded by the seed and the state-dict key."""
    call = init.rule(parameter)
    arguments = dict(call.arguments)
    if call.target not in _CONSTANT_INITIALIZERS:
        arguments["generator"] = torch.Generator().manual_seed(derive_seed(seed, key))
    resolve_target(call.target)(tensor, **arguments)


def derive_seed(seed: int, key: str) -> int:
    """Derive the seed of one tensor from its state-dict key."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:7], "big")
