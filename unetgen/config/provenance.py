"""Trace each value of a resolved spec to the file and line that set it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unetgen.config.registry.slots import SIDES, SLOTS
from unetgen.config.spec import SlotLocation, Spec
from unetgen.config.yaml.tree import YamlNode, join_path

_PRIMARY_SIDE = {"block": "encoder", "downsample": "encoder", "upsample": "decoder", "skip": "decoder"}


def trace_provenance(spec: Spec) -> Iterator[tuple[str, Any, str]]:
    """Yield every value of the resolved spec: its path, the value, and the source location that set it."""
    for steps, value in _iter_leaves(spec.resolved(), ()):
        path = ""
        for step in steps:
            path = join_path(path, str(step))
        yield path, value, _find_origin(spec, steps)


def _iter_leaves(data: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _iter_leaves(value, (*steps, key))
    else:
        yield steps, data


def _find_origin(spec: Spec, steps: tuple[str | int, ...]) -> str:
    location, rest = _split_slot_location(steps, spec.depth)
    start = spec.origins.get(location, spec.root) if location else spec.root
    node = _find_exact_node(start, rest)
    if steps[0] == "depth" and node is None:
        return "from widths"
    if node is None and steps == ("decoder", "widths"):
        return "mirrors widths"
    return str(node.mark) if node is not None and node.mark.source != "default" else "default"


def _split_slot_location(steps: tuple[str | int, ...], depth: int) -> tuple[SlotLocation | None, tuple[str | int, ...]]:
    """Split a path into the slot location that it is in, if any, and the path inside the slot."""
    head, *rest = (str(step) for step in steps)
    if head in _PRIMARY_SIDE:
        return (_PRIMARY_SIDE[head], 0, head), tuple(rest)
    if head in SIDES and rest and rest[0] in SIDES[head]:
        return (head, depth if head == "bottleneck" else 0, rest[0]), tuple(rest[1:])
    if head == "levels":
        return (rest[1], int(rest[0]), rest[2]), tuple(rest[3:])
    return None, steps


def _find_exact_node(start: YamlNode, steps: tuple[str | int, ...]) -> YamlNode | None:
    node = start
    for step in steps:
        child = node.mapping.get(str(step))
        if child is None:
            return node if _is_shorthand_option(node, step) else None
        node = child
    return node


def _is_shorthand_option(node: YamlNode, step: str | int) -> bool:
    """Return whether a scalar sets an option: ``norm: batch`` sets the type, ``dropout: 0.5`` the rate too."""
    is_number = type(node.value) in (int, float)
    options = {
        option
        for slot in SLOTS.values()
        if is_number and slot.numeric_shorthand
        for option in ("type", slot.numeric_shorthand[1])
    }
    return step in options or (step == "type" and isinstance(node.value, str))
