"""Resolve the target of a Call: ``nn.Conv2d``, ``layers.CropTo``, ``acme_unet.layers:Mixer``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from unetgen.graph.external.targets import get_nested_attribute, import_target
from unetgen.graph.ops import Call
from unetgen.network import gating_layers, layers

_NAMESPACES: dict[str, Any] = {"nn": nn, "layers": layers, "gating_layers": gating_layers}


def resolve_target(target: str) -> Callable[..., Any]:
    """Return the class or function that a target names; targets come from Python code of parts, never from a spec."""
    if ":" in target:
        return import_target(target)
    namespace, _, name = target.partition(".")
    return get_nested_attribute(_NAMESPACES[namespace], name)


def build_layer(call: Call, **extra_arguments: Any) -> nn.Module:
    """Build the module that a call describes, with further keyword arguments."""
    module: nn.Module = resolve_target(call.target)(**call.arguments, **extra_arguments)
    return module
