"""Untouched: modules that do what their class says, so that another may take their place."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils.parametrize import is_parametrized


def is_unmodified(module: nn.Module, classes: tuple[type[nn.Module], ...]) -> bool:
    """Whether it is of exactly one of these classes, and nobody has hooked, patched or parametrized it."""
    hooks: Any = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    plain = type(module) in classes and "forward" not in module.__dict__
    return plain and not any(hooks) and not is_parametrized(module)
