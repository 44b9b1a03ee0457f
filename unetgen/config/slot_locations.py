"""Locate parts and options of a spec in the text that they were written in."""

from __future__ import annotations

from collections.abc import Iterable

from unetgen.config.registry.part import Part
from unetgen.config.registry.slots import SIDES, SKIP_KEYS
from unetgen.config.spec import Skip, SlotLocation, Spec
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem

# The steps from a value of a spec to a value inside it.
Steps = tuple[str | int, ...]


def build_cannot_draw_problem(
    spec: Spec, slot_location: SlotLocation, part: Part, option: str, message: str, hint: str
) -> Problem:
    """Report an option of a part that cannot be built, at the place where the option was written.

    Args:
        spec: The spec that the part belongs to.
        slot_location: The side, the level and the slot of the part.
        part: The part, or a part inside the one in the slot.
        option: The name of its option.
        message: What is wrong with the option.
        hint: The fix.

    Returns:
        The problem, with the key path and the position of the option, or of the closest value around it if the
        option was not written anywhere.
    """
    written, steps = locate_part(spec, slot_location, part)
    node = written.find((*steps, option))
    is_named_in_path = node.path.split(".")[-1] in (option, slot_location[2]) or option == "type"
    path = node.path if is_named_in_path else f"{node.path}.{option}"
    return Problem("cannot_draw", path, message, hint, node.mark)


def locate_part(spec: Spec, slot_location: SlotLocation, part: Part) -> tuple[YamlNode, Steps]:
    """Return the YAML node that holds a slot's part, and the steps from there to a part inside it."""
    slot_content, written = _read_slot(spec, slot_location)
    if isinstance(slot_content, Part):
        return written, _find_nested_part(slot_content, part) or ()
    for key in SKIP_KEYS:
        skip_part = getattr(slot_content, key)
        if isinstance(skip_part, Part) and (steps := _find_nested_part(skip_part, part)) is not None:
            return written, (key, *steps)
    return written, ()


def describe_locations(locations: Iterable[SlotLocation]) -> str:
    """Describe sides and levels in words: ``in the encoder at levels 0, 1 and in the bottleneck``."""
    levels: dict[str, list[int]] = {}
    for side, level, slot in locations:
        if level not in levels.setdefault(side, []) and slot != side:
            levels[side].append(level)
    return " and ".join(_describe_side(side, sorted(numbers)) for side, numbers in levels.items())


def _describe_side(side: str, levels: list[int]) -> str:
    if side not in ("encoder", "decoder") or not levels:
        return f"in the {side}"
    return f"in the {side} at level{'s' * (len(levels) > 1)} {', '.join(map(str, levels))}"


def _read_slot(spec: Spec, slot_location: SlotLocation) -> tuple[Part | Skip, YamlNode]:
    """Return the content of a slot, and the YAML node that it was read from."""
    side, level, slot = slot_location
    root = spec.root
    if side in SIDES and slot not in SIDES:
        return dict(spec.places())[slot_location], spec.origins[slot_location]
    if slot == "head":
        head = spec.heads[level]
        named = root.mapping.get("heads", root).find((head.name,))
        return head.part, named if head.name else root.mapping.get("head", root)
    content: Part | Skip = getattr(spec, slot)
    return content, root.mapping.get(slot, root)


def _find_nested_part(root: Part, part: Part) -> Steps | None:
    """Return the steps from a part to a part inside it, or None if it is not inside."""
    if root is part:
        return ()
    for steps, child in root.inside():
        if (inner_steps := _find_nested_part(child, part)) is not None:
            return (*steps, *inner_steps)
    return None
