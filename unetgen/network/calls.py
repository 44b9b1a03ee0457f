"""From the name in a Call to the thing it names: ``nn.Conv2d``, ``nn.init.zeros_``, ``layers.CropTo``."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from torch import nn

from unetgen.graph.ops import Call
from unetgen.network import attention, layers

_ROOTS: dict[str, Any] = {"nn": nn, "layers": layers, "attention": attention}


def function(target: str) -> Callable[..., Any]:
    """What a target names. Targets come from parts' Python code, never from a spec."""
    root, *names = target.split(".")
    found: Callable[..., Any] = reduce(getattr, names, _ROOTS[root])
    return found


def layer(call: Call, **more: Any) -> nn.Module:
    """The module that a call describes."""
    module: nn.Module = function(call.target)(**call.arguments, **more)
    return module
