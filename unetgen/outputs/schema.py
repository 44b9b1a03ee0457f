"""The JSON Schema of the spec language with everything that is installed, for editors."""

from __future__ import annotations

from typing import Any, get_args

from unetgen.config.header import TOP_KEYS, About
from unetgen.config.part import Part
from unetgen.config.registry import Registry
from unetgen.config.slots import LEVEL_KEYS, SIDES, SKIP_KEYS, SLOTS
from unetgen.config.spec import SCHEMA_VERSION, JoinPlace, Tap

Schema = dict[str, Any]

_CHANNELS: Schema = {"type": "integer", "minimum": 1, "maximum": 65_536}
_WIDTHS: Schema = {"type": "array", "items": _CHANNELS, "minItems": 1, "maxItems": 13}


def json_schema(registry: Registry) -> Schema:
    """The schema (draft 2020-12). ``NAME`` is a slot's whole part, ``NAME_overlay`` what a side or level may say."""
    definitions: Schema = {}
    for slot in SLOTS:
        definitions[slot] = _slot(registry, slot, overlay=False)
        definitions[f"{slot}_overlay"] = _slot(registry, slot, overlay=True)
    definitions["skip"] = _skip()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "unetgen spec",
        "type": "object",
        "properties": {key: _top()[key] for key in TOP_KEYS},
        "additionalProperties": False,
        "$defs": definitions,
    }


def _top() -> Schema:
    levels = {"type": "object", "patternProperties": {"^[0-9]+$": _level()}, "additionalProperties": False}
    return {
        "$schema": {"type": "string"},
        "schema_version": {"const": SCHEMA_VERSION},
        "extends": {"type": "string", "description": "A shipped spec's name, or the path of a file."},
        "name": {"type": "string"},
        "description": {"type": "string"},
        "about": {
            "type": "object",
            "properties": {key: {"type": "string"} for key in About.model_fields},
            "additionalProperties": False,
        },
        "dims": {"enum": [1, 2, 3]},
        "in_channels": _CHANNELS,
        "out_channels": _CHANNELS,
        "input_size": {
            "anyOf": [
                {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 3},
                {"type": "null"},
            ]
        },
        "depth": {"type": "integer", "minimum": 1, "maximum": 12},
        "widths": {"anyOf": [_WIDTHS, _growth()]},
        **{slot: _ref(slot, overlay=True) for slot in LEVEL_KEYS},
        "encoder": {"anyOf": [{"type": "string"}, _side("encoder", open_options=True)]},
        "bottleneck": _side("bottleneck"),
        "decoder": {"anyOf": [{"type": "string"}, _side("decoder", open_options=True)]},
        "levels": levels,
        "head": _ref("head", overlay=True),
        "heads": {"type": "object", "additionalProperties": _ref("head", overlay=True), "minProperties": 1},
        "init": _ref("init", overlay=True),
        "input": _ref("input", overlay=True),
        "checkpointing": {"type": "array", "items": {"type": "string"}},
        "model_built": {"type": "array", "items": {"type": "string"}},
        "plugins": {"type": "array", "items": {"type": "string"}},
    }


def _growth() -> Schema:
    return {
        "type": "object",
        "properties": {"base": _CHANNELS, "growth": {"type": "number", "exclusiveMinimum": 0}, "max": _CHANNELS},
        "required": ["base"],
        "additionalProperties": False,
    }


def _side(side: str, *, open_options: bool = False) -> Schema:
    """A side's overlay; an encoder or decoder may have options of its own beside it."""
    properties: Schema = {slot: _ref(slot, overlay=True) for slot in SIDES[side]}
    if side == "decoder":
        properties["widths"] = _WIDTHS
    if open_options:
        properties["type"] = {"type": "string"}
    return {"type": "object", "properties": properties, "additionalProperties": open_options}


def _level() -> Schema:
    slots = {slot: _ref(slot, overlay=True) for slot in LEVEL_KEYS}
    sides = {side: _side(side) for side in SIDES}
    for side in sides.values():
        side["properties"].pop("widths", None)
    return {"type": "object", "properties": {**slots, **sides}, "additionalProperties": False}


def _skip() -> Schema:
    properties = {slot: _ref(slot, overlay=True) for slot in SKIP_KEYS if slot in SLOTS}
    properties |= {"tap": {"enum": list(get_args(Tap))}, "place": {"enum": list(get_args(JoinPlace))}}
    whole = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"anyOf": [{"type": "string"}, whole]}


def _slot(registry: Registry, slot: str, *, overlay: bool) -> Schema:
    parts = registry.parts(slot)
    choices: list[Schema] = [{"enum": sorted(parts)}]
    if SLOTS[slot].number:
        choices.append({"type": "number"})
    for name, entry in sorted(parts.items()):
        needed = [] if overlay or name == SLOTS[slot].default else ["type"]
        choices.append(_part(name, entry.part, needed, overlay))
    return {"anyOf": choices}


def _part(name: str, part: type[Part], needed: list[str], overlay: bool) -> Schema:
    own = _placed(part.model_json_schema(), overlay)
    required = [] if overlay else own.get("required", [])
    return {
        "type": "object",
        "title": f"{part.slot} {name}",
        "description": (part.__doc__ or "").strip(),
        "properties": {"type": {"const": name}, **own.get("properties", {})},
        "required": [*needed, *required],
        "additionalProperties": False,
    }


def _placed(schema: Any, overlay: bool) -> Any:
    """A pydantic schema with each slot's own schema where a part holds another part."""
    if isinstance(schema, list):
        return [_placed(item, overlay) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "slot" in schema and schema["slot"] in SLOTS:
        return _ref(schema["slot"], overlay=overlay)
    return {key: _placed(value, overlay) for key, value in schema.items() if key != "default"}


def _ref(slot: str, *, overlay: bool) -> Schema:
    return {"$ref": f"#/$defs/{slot}" + ("_overlay" if overlay and slot != "skip" else "")}
