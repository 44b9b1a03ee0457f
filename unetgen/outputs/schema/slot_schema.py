"""Build the JSON Schemas of slots: the parts that each accepts, and inheritance within one spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from unetgen.config.registry.part import Part
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES, SKIP_KEYS, SLOTS
from unetgen.config.spec import JoinPlace, Tap
from unetgen.outputs.schema.part_schema import JsonSchema, PartSchemas, SchemaForm, build_object_schema, build_slot_ref

_UNTYPED_SCHEMA: JsonSchema = {"type": "object", "not": {"required": ["type"]}}


def build_named_part_schema(names: Iterable[str]) -> JsonSchema:
    """Return the schema of a part with one of these names, with or without options."""
    name = {"enum": list(names)}
    return {"anyOf": [name, {"type": "object", "properties": {"type": name}, "required": ["type"]}]}


def build_definitions(parts: PartSchemas) -> JsonSchema:
    """Return the definitions of all slots, and those they refer to."""
    definitions: JsonSchema = {}
    for slot, names in parts.names_by_slot.items():
        name_only = [part for part in names if not parts.list_required_options(part)]
        definitions[slot] = _build_choice(parts, slot, name_only, [parts.build_whole_schema(part) for part in names])
        definitions[f"{slot}_overlay"] = _build_choice(
            parts, slot, names, [parts.build_overlay_ref(part) for part in names]
        )
    return {
        **definitions,
        "skip": _build_skip_schema("whole"),
        "skip_overlay": _build_skip_schema("overlay"),
        **parts.definitions,
    }


def _build_choice(
    parts: PartSchemas, slot: str, name_only_parts: Iterable[type[Part]], mappings: list[JsonSchema]
) -> JsonSchema:
    names = [name for part in name_only_parts for name in parts.names_by_slot[slot][part]]
    name = {"enum": sorted(names, key=lambda name: ("/" in name, name))}
    return {"anyOf": [name, *_build_number_shorthand(parts, slot), *mappings]}


def _build_number_shorthand(parts: PartSchemas, slot: str) -> list[JsonSchema]:
    """Return the schema of the number that abbreviates a part, if the slot has one: that of the part's option."""
    if (shorthand := SLOTS[slot].numeric_shorthand) is None:
        return []
    part = next(part for part, names in parts.names_by_slot[slot].items() if shorthand[0] in names)
    return [parts.build_option_schema(part, shorthand[1])]


def _build_skip_schema(form: SchemaForm) -> JsonSchema:
    choices = {"tap": {"enum": list(get_args(Tap))}, "place": {"enum": list(get_args(JoinPlace))}}
    inner_slots = {slot: build_slot_ref(slot, form) for slot in SKIP_KEYS if slot in SLOTS}
    fusion_by_name = {"type": "string", **build_slot_ref("fusion", form)}
    return {"anyOf": [fusion_by_name, build_object_schema({**choices, **inner_slots})]}


# Inheritance of sides and levels from the top level


def build_inheritance_rules(parts: PartSchemas) -> list[JsonSchema]:
    """Return the rules of a spec without ``extends``, whose sides and levels inherit types from the top level.

    If a side has its own type, levels are not restricted, since they may inherit from either.
    """
    rules = []
    for slot in LEVEL_KEYS:
        if slot in SLOTS:
            rules += _build_type_rules(parts, slot, _nest_in_sides)
            levels = {"allOf": _build_type_rules(parts, slot, _nest_in_levels)}
            rules.append({"if": _nest_in_sides(slot, _UNTYPED_SCHEMA), "then": levels})
    return rules


def _build_type_rules(parts: PartSchemas, slot: str, nest: Callable[[str, JsonSchema], JsonSchema]) -> list[JsonSchema]:
    """Return two rules per type: as the top level's type it is inherited below, otherwise it is new there."""
    rules = []
    for part, names in parts.names_by_slot[slot].items():
        inherited = {"if": _UNTYPED_SCHEMA, "then": parts.build_overlay_ref(part)}
        new = {
            "if": build_named_part_schema(names),
            "then": {"type": "object", "required": parts.list_required_options(part)},
        }
        otherwise = {"else": nest(slot, new)} if parts.list_required_options(part) else {}
        rules.append({"if": _match_top_level(slot, names), "then": nest(slot, inherited), **otherwise})
    return rules


def _match_top_level(slot: str, names: Sequence[str]) -> JsonSchema:
    if SLOTS[slot].default in names:
        return {"properties": {slot: {"anyOf": [_UNTYPED_SCHEMA, build_named_part_schema(names)]}}}
    return {"properties": {slot: build_named_part_schema(names)}, "required": [slot]}


def _nest_in_sides(slot: str, schema: JsonSchema) -> JsonSchema:
    sides = [side for side, slots in SIDES.items() if slot in slots]
    return {"properties": {side: {"properties": {slot: schema}} for side in sides}}


def _nest_in_levels(slot: str, schema: JsonSchema) -> JsonSchema:
    """Nest a schema in levels, and in their sides if the level itself has no type."""
    sides = {"if": {"properties": {slot: _UNTYPED_SCHEMA}}, "then": _nest_in_sides(slot, schema)}
    return {"properties": {"levels": {"additionalProperties": {"properties": {slot: schema}, **sides}}}}
