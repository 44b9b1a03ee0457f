"""The one overlay rule: mappings merge, lists replace, another ``type`` starts from its own defaults.

Sides, levels, ``extends`` and ``--set`` all go through ``merge``; ``difference`` is its inverse, which
is how a resolved spec says only once what several levels share.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from unetgen.config.node import Node, child_path
from unetgen.config.slots import SLOT_OF, SLOTS
from unetgen.errors import Mark

# One spec's name is not another's, however much of it is inherited.
NOT_INHERITED = ("name", "description", "about", "extends", "$schema")


def merge(base: Node, over: Node, key: str = "") -> Node:
    """``over`` laid on ``base``; ``key`` is the name both stand under."""
    return _laid(base, over, key, base.layer + 1)


def _laid(base: Node, over: Node, key: str, lift: int) -> Node:
    base, over = _spelt_out(base, key), _spelt_out(over, key)
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return lifted(over, lift)
    if "type" in over.value and _type(over, key) != _type(base, key):
        return lifted(over, lift)
    entries = dict(base.value)
    for name, node in over.value.items():
        inner = "head" if key == "heads" else name
        below = entries.get(name)
        entries[name] = lifted(_spelt_out(node, inner), lift) if below is None else _laid(below, node, inner, lift)
    return _like(over, entries, lift)


def lifted(node: Node, lift: int) -> Node:
    """A node and everything in it so many layers higher, or lower."""
    if not lift:
        return node
    value = node.value
    if isinstance(value, dict):
        return _like(node, {key: lifted(child, lift) for key, child in value.items()}, lift)
    return _like(node, value, lift)


def _like(node: Node, value: Any, lift: int = 0) -> Node:
    # Made by hand, since dataclasses.replace takes thrice as long and sweeps lay millions of nodes over others.
    return Node(value, node.path, node.mark, node.key, node.layer + lift)


def together(overlays: Iterable[Node]) -> Node:
    """Overlays as one (``--set``, sweeps): they are said at once, and none goes back to a default for another."""
    overlay = Node({}, "", Mark(""), Mark(""))
    for over in overlays:
        overlay = _laid(overlay, over, "", 0)
    return overlay


def placed(location: tuple[str, ...], value: Node) -> Node:
    """The overlay that has a value at a location and nothing else."""
    node = value
    for depth in range(len(location) - 1, -1, -1):
        path = ""
        for step in location[:depth]:
            path = child_path(path, step)
        node = Node({location[depth]: node}, path, value.mark, value.mark)
    return node


def difference(base: Any, value: Any) -> Any:
    """The smallest overlay that turns one resolved part into another."""
    if not (isinstance(base, dict) and isinstance(value, dict)) or base.keys() != value.keys():
        return value
    if base.get("type") != value.get("type"):
        return value
    return {k: difference(base[k], v) for k, v in value.items() if v != base[k]}


def _spelt_out(node: Node, key: str) -> Node:
    """A part given by its name or by a number, or a skip by its fusion, as the mapping that it stands for."""
    if isinstance(node.value, str) and key == "skip":
        return _like(node, {"fusion": node})
    if isinstance(node.value, str) and key in SLOT_OF:
        return _like(node, {"type": node})
    if key in SLOT_OF and type(node.value) in (int, float) and (number := SLOTS[SLOT_OF[key]].number):
        named, option = number
        return _like(node, {"type": _like(node, named), option: node})
    return node


def _type(node: Node, key: str) -> object:
    named = node.mapping.get("type")
    if named is not None:
        return named.value
    return SLOTS[SLOT_OF[key]].default if key in SLOT_OF else None
