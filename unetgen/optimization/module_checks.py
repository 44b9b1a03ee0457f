"""Check that a module still does what its class says, so that another one may replace it."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils.parametrize import is_parametrized


def is_unmodified(module: nn.Module, classes: tuple[type[nn.Module], ...]) -> bool:
    """Return whether a module is exactly of one of the classes and not hooked, patched or parametrized."""
    hooks: Any = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    is_plain = type(module) in classes and "forward" not in module.__dict__
    return is_plain and not any(hooks) and not is_parametrized(module)
