"""The JSON Schemas of slots: which parts may stand in each, and what is inherited there within one spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from unetgen.config.part import Part
from unetgen.config.slots import LEVEL_KEYS, SIDES, SKIP_KEYS, SLOTS
from unetgen.config.spec import JoinPlace, Tap
from unetgen.outputs.part_schema import Form, Parts, Schema, mapping, ref

_UNTYPED: Schema = {"type": "object", "not": {"required": ["type"]}}


def called(names: Iterable[str]) -> Schema:
    """A part of one of these names, with options or without."""
    words = {"enum": list(names)}
    return {"anyOf": [words, {"type": "object", "properties": {"type": words}, "required": ["type"]}]}


def definitions(parts: Parts) -> Schema:
    """The definitions of all slots, and of what they refer to."""
    found: Schema = {}
    for slot, names in parts.names.items():
        complete = [part for part in names if not parts.needed(part)]
        found[slot] = _choice(parts, slot, complete, [parts.whole(part) for part in names])
        found[f"{slot}_overlay"] = _choice(parts, slot, names, [parts.overlay(part) for part in names])
    return {**found, "skip": _skip("whole"), "skip_overlay": _skip("overlay"), **parts.definitions}


def _choice(parts: Parts, slot: str, by_name: Iterable[type[Part]], mappings: list[Schema]) -> Schema:
    names = [name for part in by_name for name in parts.names[slot][part]]
    words = {"enum": sorted(names, key=lambda name: ("/" in name, name))}
    return {"anyOf": [words, *_number(parts, slot), *mappings]}


def _number(parts: Parts, slot: str) -> list[Schema]:
    """The number that stands for a part, where there is one, with the bounds of that part's option."""
    if (number := SLOTS[slot].number) is None:
        return []
    part = next(part for part, names in parts.names[slot].items() if number[0] in names)
    return [parts.option(part, number[1])]


def _skip(form: Form) -> Schema:
    words = {"tap": {"enum": list(get_args(Tap))}, "place": {"enum": list(get_args(JoinPlace))}}
    told = {slot: ref(slot, form) for slot in SKIP_KEYS if slot in SLOTS}
    fusion_by_name = {"type": "string", **ref("fusion", form)}
    return {"anyOf": [fusion_by_name, mapping({**words, **told})]}


# What sides and levels inherit from the top level


def inherited(parts: Parts) -> list[Schema]:
    """What holds in a spec that extends no other: there the top level says which types its sides and levels inherit.

    Where a side names a type for itself, nothing is asked of the levels, which then may inherit from either.
    """
    rules = []
    for slot in LEVEL_KEYS:
        if slot in SLOTS:
            rules += _from_top(parts, slot, _in_sides)
            levels = {"allOf": _from_top(parts, slot, _in_levels)}
            rules.append({"if": _in_sides(slot, _UNTYPED), "then": levels})
    return rules


def _from_top(parts: Parts, slot: str, below: Callable[[str, Schema], Schema]) -> list[Schema]:
    """For each type: if it is that of the top level, what names none has its options; if not, it is new below."""
    rules = []
    for part, names in parts.names[slot].items():
        same = {"if": _UNTYPED, "then": parts.overlay(part)}
        new = {"if": called(names), "then": {"type": "object", "required": parts.needed(part)}}
        otherwise = {"else": below(slot, new)} if parts.needed(part) else {}
        rules.append({"if": _top(slot, names), "then": below(slot, same), **otherwise})
    return rules


def _top(slot: str, names: Sequence[str]) -> Schema:
    if SLOTS[slot].default in names:
        return {"properties": {slot: {"anyOf": [_UNTYPED, called(names)]}}}
    return {"properties": {slot: called(names)}, "required": [slot]}


def _in_sides(slot: str, schema: Schema) -> Schema:
    sides = [side for side, slots in SIDES.items() if slot in slots]
    return {"properties": {side: {"properties": {slot: schema}} for side in sides}}


def _in_levels(slot: str, schema: Schema) -> Schema:
    """In levels, and in their sides where the level itself names no type."""
    sides = {"if": {"properties": {slot: _UNTYPED}}, "then": _in_sides(slot, schema)}
    return {"properties": {"levels": {"additionalProperties": {"properties": {slot: schema}, **sides}}}}
