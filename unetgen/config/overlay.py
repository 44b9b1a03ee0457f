"""The one overlay rule: mappings merge, lists replace, another ``type`` starts from its own defaults.

Sides, levels, ``extends`` and ``--set`` all go through ``merge``; ``difference`` is its inverse, which
is how a resolved spec says only once what several levels share.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unetgen.config.registry.slots import SLOT_BY_KEY, SLOTS
from unetgen.config.yaml.tree import YamlNode, join_path
from unetgen.errors import SourceLocation

# One spec's name is not another's, however much of it is inherited.
NOT_INHERITED = ("name", "description", "about", "extends", "$schema")


def merge(base: YamlNode, overlay: YamlNode, key: str = "") -> YamlNode:
    """``over`` laid on ``base``; ``key`` is the name both stand under."""
    return _merge_with_offset(base, overlay, key, base.precedence + 1)


def _merge_with_offset(base: YamlNode, overlay: YamlNode, key: str, offset: int) -> YamlNode:
    base, overlay = _expand_shorthand(base, key), _expand_shorthand(overlay, key)
    if not (isinstance(base.value, dict) and isinstance(overlay.value, dict)):
        return raise_precedence(overlay, offset)
    if "type" in overlay.value and _read_type(overlay, key) != _read_type(base, key):
        return raise_precedence(overlay, offset)
    entries = dict(base.value)
    for name, node in overlay.value.items():
        inner = "head" if key == "heads" else name
        below = entries.get(name)
        entries[name] = (
            raise_precedence(_expand_shorthand(node, inner), offset)
            if below is None
            else _merge_with_offset(below, node, inner, offset)
        )
    return _copy_with_value(overlay, entries, offset)


def raise_precedence(node: YamlNode, offset: int) -> YamlNode:
    """A node and everything in it so many layers higher, or lower."""
    if not offset:
        return node
    value = node.value
    if isinstance(value, dict):
        return _copy_with_value(node, {key: raise_precedence(child, offset) for key, child in value.items()}, offset)
    return _copy_with_value(node, value, offset)


def _copy_with_value(node: YamlNode, value: Any, offset: int = 0) -> YamlNode:
    # Made by hand, since dataclasses.replace takes thrice as long and sweeps lay millions of nodes over others.
    return YamlNode(value, node.path, node.mark, node.key_mark, node.precedence + offset)


def combine_overlays(overlays: Iterable[YamlNode]) -> YamlNode:
    """Overlays as one (``--set``, sweeps): they are said at once, and none goes back to a default for another."""
    overlay = YamlNode({}, "", SourceLocation(""), SourceLocation(""))
    for over in overlays:
        overlay = _merge_with_offset(overlay, over, "", 0)
    return overlay


def nest_at(key_path: tuple[str, ...], value: YamlNode) -> YamlNode:
    """The overlay that has a value at a location and nothing else."""
    node = value
    for depth in range(len(key_path) - 1, -1, -1):
        path = ""
        for step in key_path[:depth]:
            path = join_path(path, step)
        node = YamlNode({key_path[depth]: node}, path, value.mark, value.mark)
    return node


def compute_minimal_overlay(base: Any, value: Any) -> Any:
    """The smallest overlay that turns one resolved part into another."""
    if not (isinstance(base, dict) and isinstance(value, dict)) or base.keys() != value.keys():
        return value
    if base.get("type") != value.get("type"):
        return value
    return {k: compute_minimal_overlay(base[k], v) for k, v in value.items() if v != base[k]}


def _expand_shorthand(node: YamlNode, key: str) -> YamlNode:
    """A part given by its name or by a number, or a skip by its fusion, as the mapping that it stands for."""
    if isinstance(node.value, str) and key == "skip":
        return _copy_with_value(node, {"fusion": node})
    if isinstance(node.value, str) and key in SLOT_BY_KEY:
        return _copy_with_value(node, {"type": node})
    if (
        key in SLOT_BY_KEY
        and type(node.value) in (int, float)
        and (number := SLOTS[SLOT_BY_KEY[key]].numeric_shorthand)
    ):
        named, option = number
        return _copy_with_value(node, {"type": _copy_with_value(node, named), option: node})
    return node


def _read_type(node: YamlNode, key: str) -> object:
    named = node.mapping.get("type")
    if named is not None:
        return named.value
    return SLOTS[SLOT_BY_KEY[key]].default if key in SLOT_BY_KEY else None
