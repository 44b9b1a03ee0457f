"""Build the JSON Schema of the spec language with all installed parts, for editors."""

from __future__ import annotations

from unetgen.config.registry.part import Part
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES
from unetgen.config.reserved_names import RESERVED_NAMES
from unetgen.config.spec import SCHEMA_VERSION
from unetgen.config.top_level import TOP_KEYS, CheckpointingField, Citation, InputSizeField, TopLevelFields
from unetgen.config.widths import MAX_DEPTH, Growth
from unetgen.graph.part_types import Encoder
from unetgen.outputs.schema.part_schema import (
    CHANNELS_SCHEMA,
    JsonSchema,
    PartSchemas,
    SchemaForm,
    build_object_schema,
    build_slot_ref,
    insert_slot_refs,
)
from unetgen.outputs.schema.slot_schema import build_definitions, build_inheritance_rules, build_named_part_schema

# A Python identifier; regular expressions of a schema cannot express its exact set of non-ASCII letters.
_IDENTIFIER_PATTERN = r"^[A-Za-z\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*$"


def build_json_schema(registry: Registry) -> JsonSchema:
    """Build the schema (draft 2020-12) of what ``unetgen validate`` accepts, as far as single values show it.

    A schema cannot express which sizes, numbers and options are compatible, nor the content of an extended spec. In a
    spec with ``extends``, a part may therefore have the options of any one type and omit required keys.

    Args:
        registry: The parts.

    Returns:
        The schema as plain data.
    """
    parts = PartSchemas(registry)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "unetgen spec",
        "type": "object",
        "properties": {key: _build_fixed_properties().get(key, {}) for key in TOP_KEYS},
        "additionalProperties": False,
        "not": {"required": ["head", "heads"]},
        "if": {"required": ["extends"]},
        "then": {"properties": _build_mergeable_properties("overlay")},
        "else": {"properties": _build_mergeable_properties("whole"), **_build_requirements(parts)},
        "$defs": {**build_definitions(parts), "level": _build_level_schema()},
    }


def _build_fixed_properties() -> JsonSchema:
    """Return the keys whose schema does not depend on ``extends``."""
    distributions = {"type": "array", "items": {"type": "string", "pattern": r"\S"}}
    return {
        **{
            key: value
            for model in (TopLevelFields, InputSizeField, CheckpointingField)
            for key, value in _read_properties(model).items()
        },
        "schema_version": {"const": SCHEMA_VERSION},
        "extends": {"type": "string", "description": "A shipped spec's name, or the path of a file."},
        "about": insert_slot_refs(Citation.model_json_schema()),
        "depth": {"type": "integer", "minimum": 1, "maximum": MAX_DEPTH},
        "model_built": distributions,
        "plugins": distributions,
    }


def _read_properties(model: type[TopLevelFields | InputSizeField | CheckpointingField]) -> JsonSchema:
    options: JsonSchema = insert_slot_refs(model.model_json_schema())["properties"]
    return options


def _build_mergeable_properties(form: SchemaForm) -> JsonSchema:
    """Return the keys that are merged onto those of an extended spec."""
    growth: JsonSchema = insert_slot_refs(Growth.model_json_schema())
    widths = {"type": "array", "items": CHANNELS_SCHEMA, "minItems": 2, "maxItems": MAX_DEPTH + 1}
    return {
        **{slot: build_slot_ref(slot, form) for slot in (*LEVEL_KEYS, "encoder", "decoder", "head", "init", "input")},
        "widths": {"anyOf": [widths, growth if form == "whole" else {**growth, "required": []}]},
        "bottleneck": _build_side_schema("bottleneck"),
        "levels": build_object_schema({str(level): {"$ref": "#/$defs/level"} for level in range(MAX_DEPTH + 1)}),
        "heads": {
            "type": "object",
            "propertyNames": {"pattern": _IDENTIFIER_PATTERN, "not": {"enum": sorted(RESERVED_NAMES)}},
            "additionalProperties": build_slot_ref("head", form),
            "minProperties": 1 if form == "whole" else 0,
        },
    }


def _build_level_schema() -> JsonSchema:
    """Return the schema of a level: one of the encoder and decoder, or the bottleneck."""
    slots = {slot: build_slot_ref(slot, "overlay") for slot in LEVEL_KEYS}
    level = build_object_schema(
        {**slots, "encoder": _build_side_schema("encoder"), "decoder": _build_side_schema("decoder")}
    )
    bottom = build_object_schema({"block": slots["block"], "bottleneck": _build_side_schema("bottleneck")})
    return {"anyOf": [level, bottom]}


def _build_side_schema(side: str) -> JsonSchema:
    return build_object_schema({slot: build_slot_ref(slot, "overlay") for slot in SIDES[side]})


def _build_requirements(parts: PartSchemas) -> JsonSchema:
    """Return the requirements of a spec without ``extends``, and the rules of inheritance."""
    grows = {"properties": {"widths": {"type": "object"}}, "required": ["widths"]}
    own_widths = [
        name for part, names in parts.names_by_slot["encoder"].items() if _has_own_depth(part) for name in names
    ]
    has_own = {"properties": {"encoder": build_named_part_schema(own_widths)}, "required": ["encoder"]}
    decoder = {"properties": {"decoder": {"type": "object", "required": ["widths"]}}, "required": ["decoder"]}
    return {
        "required": ["in_channels", "out_channels"],
        "allOf": [
            {"if": grows, "then": {"required": ["depth"]}},
            {"if": has_own, "then": decoder, "else": {"required": ["widths"]}},
            *build_inheritance_rules(parts),
        ],
    }


def _has_own_depth(part: type[Part]) -> bool:
    return getattr(part, "own_depth", None) is not Encoder.own_depth
