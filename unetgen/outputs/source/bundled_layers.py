"""Collect the source of unetgen's layer classes that a network uses."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from types import ModuleType


def collect_layer_sources(targets: Iterable[str]) -> list[str]:
    """Return the source of each layer class of unetgen among call targets, and of the functions that they call.

    Args:
        targets: Targets of calls, for example ``layers.CropTo``; those of torch and of plugins are ignored.

    Returns:
        The definitions, each once, in the order of their modules.
    """
    modules = _layer_modules()
    names: dict[str, set[str]] = {}
    for target in targets:
        namespace, _, name = target.partition(".")
        if namespace in modules:
            names.setdefault(namespace, set()).add(name)
    return [text for namespace in sorted(names) for text in _extract_definitions(modules[namespace], names[namespace])]


def _layer_modules() -> dict[str, ModuleType]:
    """Return the modules of unetgen's layers by the first part of their targets."""
    from unetgen.network import gating_layers, layers

    return {"layers": layers, "gating_layers": gating_layers}


def _extract_definitions(module: ModuleType, names: set[str]) -> list[str]:
    """Return the source of classes and of the module's functions that they call, in file order."""
    source = inspect.getsource(module)
    definitions = {
        node.name: node for node in ast.parse(source).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    called = {
        node.id
        for name in names
        for node in ast.walk(definitions[name])
        if isinstance(node, ast.Name) and node.id in definitions
    }
    segments = [ast.get_source_segment(source, node) for name, node in definitions.items() if name in names | called]
    return [segment for segment in segments if segment]
