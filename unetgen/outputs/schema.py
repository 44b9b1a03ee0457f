"""The JSON Schema of the spec language with everything that is installed, for editors."""

from __future__ import annotations

from unetgen.config.header import TOP_KEYS, About, Checkpointing, Header, InputSize
from unetgen.config.part import Part
from unetgen.config.registry import Registry
from unetgen.config.reserved import RESERVED
from unetgen.config.slots import LEVEL_KEYS, SIDES
from unetgen.config.spec import SCHEMA_VERSION
from unetgen.config.widths import MAX_DEPTH, Growth
from unetgen.graph.kinds import Encoder
from unetgen.outputs.part_schema import CHANNELS, Form, Parts, Schema, mapping, ref, with_slots
from unetgen.outputs.slot_schema import called, definitions, inherited

# An identifier; of letters that are not ASCII Python knows more than a schema's regular expressions do.
_IDENTIFIER = r"^[A-Za-z\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*$"


def json_schema(registry: Registry) -> Schema:
    """The schema (draft 2020-12) of what ``unetgen validate`` takes, as far as it shows in single values.

    Which sizes, numbers and options go together stands in no schema, nor what another spec says that is extended: what
    is laid over it may have the options of any one part, and leave out what a spec of its own needs.
    """
    parts = Parts(registry)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "unetgen spec",
        "type": "object",
        "properties": {key: _values().get(key, {}) for key in TOP_KEYS},
        "additionalProperties": False,
        "not": {"required": ["head", "heads"]},
        "if": {"required": ["extends"]},
        "then": {"properties": _entries("overlay")},
        "else": {"properties": _entries("whole"), **_needed(parts)},
        "$defs": {**definitions(parts), "level": _level()},
    }


def _values() -> Schema:
    """The keys that mean the same whatever is extended."""
    distributions = {"type": "array", "items": {"type": "string", "pattern": r"\S"}}
    return {
        **{key: value for model in (Header, InputSize, Checkpointing) for key, value in _options(model).items()},
        "schema_version": {"const": SCHEMA_VERSION},
        "extends": {"type": "string", "description": "A shipped spec's name, or the path of a file."},
        "about": with_slots(About.model_json_schema()),
        "depth": {"type": "integer", "minimum": 1, "maximum": MAX_DEPTH},
        "model_built": distributions,
        "plugins": distributions,
    }


def _options(model: type[Header | InputSize | Checkpointing]) -> Schema:
    options: Schema = with_slots(model.model_json_schema())["properties"]
    return options


def _entries(form: Form) -> Schema:
    """The keys that are laid over what the spec that is extended says under them."""
    growth: Schema = with_slots(Growth.model_json_schema())
    widths = {"type": "array", "items": CHANNELS, "minItems": 2, "maxItems": MAX_DEPTH + 1}
    return {
        **{slot: ref(slot, form) for slot in (*LEVEL_KEYS, "encoder", "decoder", "head", "init", "input")},
        "widths": {"anyOf": [widths, growth if form == "whole" else {**growth, "required": []}]},
        "bottleneck": _side("bottleneck"),
        "levels": mapping({str(level): {"$ref": "#/$defs/level"} for level in range(MAX_DEPTH + 1)}),
        "heads": {
            "type": "object",
            "propertyNames": {"pattern": _IDENTIFIER, "not": {"enum": sorted(RESERVED)}},
            "additionalProperties": ref("head", form),
            "minProperties": 1 if form == "whole" else 0,
        },
    }


def _level() -> Schema:
    """A level of the encoder and the decoder, or the bottleneck's."""
    slots = {slot: ref(slot, "overlay") for slot in LEVEL_KEYS}
    level = mapping({**slots, "encoder": _side("encoder"), "decoder": _side("decoder")})
    bottom = mapping({"block": slots["block"], "bottleneck": _side("bottleneck")})
    return {"anyOf": [level, bottom]}


def _side(side: str) -> Schema:
    return mapping({slot: ref(slot, "overlay") for slot in SIDES[side]})


def _needed(parts: Parts) -> Schema:
    """What a spec needs that extends no other, and what its sides and levels inherit."""
    grows = {"properties": {"widths": {"type": "object"}}, "required": ["widths"]}
    own_widths = [name for part, names in parts.names["encoder"].items() if _has_own_depth(part) for name in names]
    has_own = {"properties": {"encoder": called(own_widths)}, "required": ["encoder"]}
    decoder = {"properties": {"decoder": {"type": "object", "required": ["widths"]}}, "required": ["decoder"]}
    return {
        "required": ["in_channels", "out_channels"],
        "allOf": [
            {"if": grows, "then": {"required": ["depth"]}},
            {"if": has_own, "then": decoder, "else": {"required": ["widths"]}},
            *inherited(parts),
        ],
    }


def _has_own_depth(part: type[Part]) -> bool:
    return getattr(part, "own_depth", None) is not Encoder.own_depth
