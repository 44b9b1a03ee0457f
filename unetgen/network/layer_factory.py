"""From the name in a Call to the thing it names: ``nn.Conv2d``, ``layers.CropTo``, ``acme_unet.layers:Mixer``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from unetgen.graph.external.targets import get_nested_attribute, import_target
from unetgen.graph.ops import Call
from unetgen.network import gating_layers, layers

_NAMESPACES: dict[str, Any] = {"nn": nn, "layers": layers, "gating_layers": gating_layers}


def resolve_target(target: str) -> Callable[..., Any]:
    """What a target names. Targets come from parts' Python code, never from a spec."""
    if ":" in target:
        return import_target(target)
    namespace, _, name = target.partition(".")
    return get_nested_attribute(_NAMESPACES[namespace], name)


def build_layer(call: Call, **extra_arguments: Any) -> nn.Module:
    """The module that a call describes."""
    module: nn.Module = resolve_target(call.target)(**call.arguments, **extra_arguments)
    return module
