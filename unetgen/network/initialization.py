"""First weights. Each tensor is drawn from a generator of its own, seeded by its path.

So equal seeds and equal paths give equal tensors in any two networks that have them, whatever else differs. A
stranger's module starts itself, in its own way, with torch's generators seeded by its path.
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

# What torch.nn.init draws at random takes a generator; what it sets does not.
_CONSTANT_INITIALIZERS = ("nn.init.ones_", "nn.init.zeros_", "nn.init.constant_")


def sample_seed() -> int:
    """A seed drawn from torch's own generator, so that ``torch.manual_seed`` decides about it."""
    return int(torch.randint(0, 2**62, (1,), device="cpu").item())


def materialize(model: UNet, seed: int, *, with_initial_weights: bool = True) -> None:
    """Gives a network on the meta device memory on the CPU and its first weights. Raises PluginError.

    Without ``first`` the weights are to be laid over these, and nothing is read from anywhere for them.
    """
    model.to_empty(device="cpu")
    with attribute_plugin_errors(
        lambda part: model.spec.providers.get(part, ""), lambda who: f"{who} failed while weights were started"
    ):
        initialize_parameters(model, model.graph.parameters, cast(Init, model.spec.init), seed)
    initialize_external_modules(model, seed, with_initial_weights=with_initial_weights)


def initialize_parameters(model: nn.Module, parameters: Mapping[str, Parameter], init: Init, seed: int) -> None:
    """Fills every tensor of a model on the CPU that no module starts itself, and starts running statistics afresh."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for key, parameter in parameters.items():
            if parameter.role != "own":
                initialize_tensor(tensors[key], key, parameter, init, seed)


def initialize_external_modules(model: UNet, seed: int, *, with_initial_weights: bool = True) -> None:
    """Makes each stranger's module of a model anew on the CPU, since only its own code knows what it holds.

    With ``first`` they get the arguments that are for first weights. Raises PluginError.
    """
    for node in model.graph.nodes:
        if not isinstance(node.op, ExternalModule) or node.layer_path != node.path:
            continue
        call = node.op.to_call()
        if with_initial_weights:
            call = Call(call.target, {**call.arguments, **node.op.initial_arguments})
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, node.path))
            fresh = instantiate(call, node.op.origin)
        replace_module(model, node.path, fresh)


def initialize_tensor(tensor: Tensor, key: str, parameter: Parameter, init: Init, seed: int) -> None:
    """Fills one tensor as the init says, from the seed and the tensor's state-dict key."""
    call = init.rule(parameter)
    arguments = dict(call.arguments)
    if call.target not in _CONSTANT_INITIALIZERS:
        arguments["generator"] = torch.Generator().manual_seed(derive_seed(seed, key))
    resolve_target(call.target)(tensor, **arguments)


def derive_seed(seed: int, key: str) -> int:
    """The seed of one tensor."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:7], "big")
