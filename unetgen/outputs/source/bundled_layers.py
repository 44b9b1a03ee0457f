"""Own layers: the classes of ours that a network uses, as they stand in their files."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import unetgen

# Where targets that are no torch's live.
_SOURCE_FILES = {"layers": "network/layers.py", "gating_layers": "network/gating_layers.py"}


def collect_layer_sources(targets: Iterable[str]) -> list[str]:
    """The source of every class of ours among these, each once, and of the functions that they call."""
    wanted: dict[str, set[str]] = {}
    for target in targets:
        home, _, name = target.partition(".")
        if home in _SOURCE_FILES:
            wanted.setdefault(home, set()).add(name)
    return [text for home, names in sorted(wanted.items()) for text in _extract_definitions(home, names)]


def _extract_definitions(namespace: str, names: set[str]) -> list[str]:
    source = (Path(unetgen.__file__).parent / _SOURCE_FILES[namespace]).read_text(encoding="utf-8")
    found = {node.name: node for node in ast.parse(source).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    called = {n.id for name in names for n in ast.walk(found[name]) if isinstance(n, ast.Name) and n.id in found}
    parts = [ast.get_source_segment(source, found[name]) or "" for name in found if name in names | called]
    return [part for part in parts if part]
