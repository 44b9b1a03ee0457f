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

from unetgen.config.blame import blaming
from unetgen.graph.kinds import Init
from unetgen.graph.ops import Call, Opaque, Parameter
from unetgen.network.calls import function
from unetgen.network.from_graph import UNet
from unetgen.network.measurement import made
from unetgen.network.scope import replace

# What torch.nn.init draws at random takes a generator; what it sets does not.
_SETTING = ("nn.init.ones_", "nn.init.zeros_", "nn.init.constant_")


def seed_from_torch() -> int:
    """A seed drawn from torch's own generator, so that ``torch.manual_seed`` decides about it."""
    return int(torch.randint(0, 2**62, (1,), device="cpu").item())


def start(model: UNet, seed: int, *, first: bool = True) -> None:
    """Gives a network on the meta device memory on the CPU and its first weights. Raises PluginError.

    Without ``first`` the weights are to be laid over these, and nothing is read from anywhere for them.
    """
    model.to_empty(device="cpu")
    with blaming(
        lambda part: model.spec.providers.get(part, ""), lambda who: f"{who} failed while weights were started"
    ):
        initialise(model, model.graph.parameters, cast(Init, model.spec.init), seed)
    start_modules(model, seed, first=first)


def initialise(model: nn.Module, parameters: Mapping[str, Parameter], init: Init, seed: int) -> None:
    """Fills every tensor of a model on the CPU that no module starts itself, and starts running statistics afresh."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for key, parameter in parameters.items():
            if parameter.role != "own":
                fill(tensors[key], key, parameter, init, seed)


def start_modules(model: UNet, seed: int, *, first: bool = True) -> None:
    """Makes each stranger's module of a model anew on the CPU, since only its own code knows what it holds.

    With ``first`` they get the arguments that are for first weights. Raises PluginError.
    """
    for node in model.graph.nodes:
        if not isinstance(node.op, Opaque) or node.layer != node.path:
            continue
        call = node.op.call()
        if first:
            call = Call(call.target, {**call.arguments, **node.op.first})
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            torch.manual_seed(path_seed(seed, node.path))
            fresh = made(call, node.op.origin)
        replace(model, node.path, fresh)


def fill(tensor: Tensor, key: str, parameter: Parameter, init: Init, seed: int) -> None:
    """Fills one tensor as the init says, from the seed and the tensor's state-dict key."""
    call = init.rule(parameter)
    arguments = dict(call.arguments)
    if call.target not in _SETTING:
        arguments["generator"] = torch.Generator().manual_seed(path_seed(seed, key))
    function(call.target)(tensor, **arguments)


def path_seed(seed: int, key: str) -> int:
    """The seed of one tensor."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:7], "big")
