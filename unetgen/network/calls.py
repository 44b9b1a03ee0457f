"""From the name in a Call to the thing it names: ``nn.Conv2d``, ``layers.CropTo``, ``acme_unet.layers:Mixer``."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any

from torch import nn

from unetgen.graph.ops import Call
from unetgen.network import attention, layers

_ROOTS: dict[str, Any] = {"nn": nn, "layers": layers, "attention": attention}


def function(target: str) -> Callable[..., Any]:
    """What a target names. Targets come from parts' Python code, never from a spec."""
    module, colon, name = target.partition(":")
    if colon:
        return _named(import_module(module), name)
    root, _, name = target.partition(".")
    return _named(_ROOTS[root], name)


def _named(root: Any, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = reduce(getattr, name.split("."), root)
    return found


def layer(call: Call, **more: Any) -> nn.Module:
    """The module that a call describes."""
    module: nn.Module = function(call.target)(**call.arguments, **more)
    return module
