"""First weights. Each tensor is drawn from a generator of its own, seeded by its path.

So equal seeds and equal paths give equal tensors in any two networks that have them, whatever else differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unetgen.graph.kinds import Init
from unetgen.graph.ops import Parameter
from unetgen.network.calls import function

# What torch.nn.init draws at random takes a generator; what it sets does not.
_SETTING = ("nn.init.ones_", "nn.init.zeros_", "nn.init.constant_")


def seed_from_torch() -> int:
    """A seed drawn from torch's own generator, so that ``torch.manual_seed`` decides about it."""
    return int(torch.randint(0, 2**62, (1,), device="cpu").item())


def initialise(model: nn.Module, parameters: Mapping[str, Parameter], init: Init, seed: int) -> None:
    """Fills every tensor of a model on the CPU, and starts running statistics afresh."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()
    tensors = dict(model.named_parameters())
    with torch.no_grad():
        for key, parameter in parameters.items():
            fill(tensors[key], key, parameter, init, seed)


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
