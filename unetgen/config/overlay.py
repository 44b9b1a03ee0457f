"""The overlay rule: mappings merge, lists replace, and another ``type`` starts from its own defaults.

Sides, levels, ``extends`` and ``--set`` all use ``merge``. ``compute_minimal_overlay`` is its inverse; with it a
resolved spec states shared settings of several levels once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unetgen.config.registry.slots import SLOT_BY_KEY, SLOTS
from unetgen.config.yaml.tree import YamlNode, join_path
from unetgen.errors import SourceLocation

# The keys that a spec never inherits.
NOT_INHERITED = ("name", "description", "about", "extends", "$schema")


def merge(base: YamlNode, overlay: YamlNode, key: str = "") -> YamlNode:
    """Return ``base`` overridden by ``overlay``; ``key`` is the name of both in their mapping."""
    return _merge_with_offset(base, overlay, key, base.precedence + 1)


def _merge_with_offset(base: YamlNode, overlay: YamlNode, key: str, offset: int) -> YamlNode:
    base, overlay = _expand_shorthand(base, key), _expand_shorthand(overlay, key)
    if not (isinstance(base.value, dict) and isinstance(overlay.value, dict)):
        return raise_precedence(overlay, offset)
    if "type" in overlay.value and _read_type(overlay, key) != _read_type(base, key):
        return raise_precedence(overlay, offset)
    entries = dict(base.value)
    for name, node in overlay.value.items():
        child_key = "head" if key == "heads" else name
        base_child = entries.get(name)
        entries[name] = (
            raise_precedence(_expand_shorthand(node, child_key), offset)
            if base_child is None
            else _merge_with_offset(base_child, node, child_key, offset)
        )
    return _copy_with_value(overlay, entries, offset)


def raise_precedence(node: YamlNode, offset: int) -> YamlNode:
    """Return a tree whose precedences are higher by ``offset``."""
    if not offset:
        return node
    value = node.value
    if isinstance(value, dict):
        return _copy_with_value(node, {key: raise_precedence(child, offset) for key, child in value.items()}, offset)
    return _copy_with_value(node, value, offset)


def _copy_with_value(node: YamlNode, value: Any, offset: int = 0) -> YamlNode:
    # dataclasses.replace takes three times as long, and sweeps merge millions of nodes.
    return YamlNode(value, node.path, node.mark, node.key_mark, node.precedence + offset)


def combine_overlays(overlays: Iterable[YamlNode]) -> YamlNode:
    """Combine overlays of equal precedence (``--set``, sweeps), so that none resets an option of another."""
    combined = YamlNode({}, "", SourceLocation(""), SourceLocation(""))
    for overlay in overlays:
        combined = _merge_with_offset(combined, overlay, "", 0)
    return combined


def nest_at(key_path: tuple[str, ...], value: YamlNode) -> YamlNode:
    """Return the overlay that sets one value at a key path."""
    node = value
    for depth in range(len(key_path) - 1, -1, -1):
        path = ""
        for step in key_path[:depth]:
            path = join_path(path, step)
        node = YamlNode({key_path[depth]: node}, path, value.mark, value.mark)
    return node


def compute_minimal_overlay(base: Any, value: Any) -> Any:
    """Return the smallest overlay that turns one resolved part into another."""
    if not (isinstance(base, dict) and isinstance(value, dict)) or base.keys() != value.keys():
        return value
    if base.get("type") != value.get("type"):
        return value
    return {k: compute_minimal_overlay(base[k], v) for k, v in value.items() if v != base[k]}


def _expand_shorthand(node: YamlNode, key: str) -> YamlNode:
    """Expand a part's name or number, or a skip's fusion, to a mapping."""
    if isinstance(node.value, str) and key == "skip":
        return _copy_with_value(node, {"fusion": node})
    if isinstance(node.value, str) and key in SLOT_BY_KEY:
        return _copy_with_value(node, {"type": node})
    if (
        key in SLOT_BY_KEY
        and type(node.value) in (int, float)
        and (shorthand := SLOTS[SLOT_BY_KEY[key]].numeric_shorthand)
    ):
        part_type, option = shorthand
        return _copy_with_value(node, {"type": _copy_with_value(node, part_type), option: node})
    return node


def _read_type(node: YamlNode, key: str) -> object:
    type_node = node.mapping.get("type")
    if type_node is not None:
        return type_node.value
    return SLOTS[SLOT_BY_KEY[key]].default if key in SLOT_BY_KEY else None
