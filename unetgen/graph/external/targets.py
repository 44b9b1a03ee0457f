"""Import the object that a target names: ``package.module:Name``."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any


def import_target(target: str) -> Callable[..., Any]:
    """Import a class or function by its target. Targets come from parts' Python code, never from a spec.

    Args:
        target: ``package.module:Name``; the name may be nested, as in ``package.module:Outer.Inner``.

    Returns:
        The class or function.

    Raises:
        ImportError: If the module cannot be imported.
        AttributeError: If the module does not have the name.

    """
    module, _, name = target.partition(":")
    return get_nested_attribute(import_module(module), name)


def get_nested_attribute(root: Any, name: str) -> Callable[..., Any]:
    """Return the attribute at the end of a dotted name."""
    attribute: Callable[..., Any] = reduce(getattr, name.split("."), root)
    return attribute
