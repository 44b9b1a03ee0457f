"""The JSON Schema of sweep files with everything that is installed, for editors."""

from __future__ import annotations

from unetgen.ablation.from_yaml.axes import AXES_KEYS, NOT_VARIED
from unetgen.ablation.from_yaml.mode import Plain, Sample
from unetgen.ablation.from_yaml.sweep_file import KEYS, Words
from unetgen.ablation.matching.budget import KEYS as BUDGET_KEYS
from unetgen.config.registry import Registry
from unetgen.outputs.measures import MEASURES
from unetgen.outputs.part_schema import Schema
from unetgen.outputs.schema import json_schema

_SETTINGS, _AXIS, _LABELS, _GROUP = ({"$ref": f"#/$defs/{name}"} for name in ("settings", "axis", "labels", "group"))

# A mode of its own, or the usual one where there are variants.
_LIST = {"enum": ["list", {"type": "list"}]}


def sweep_schema(registry: Registry) -> Schema:
    """The schema (draft 2020-12) of what ``unetgen sweep`` takes, as far as it shows in single values.

    Of paths with dots only the first step stands in it, and nothing of which values go together.
    """
    spec = json_schema(registry)
    definitions = spec.pop("$defs")
    said = {key: value for key, value in _laid_over(spec).items() if key not in NOT_VARIED}
    return {
        "$schema": spec.pop("$schema"),
        "title": "unetgen sweep",
        "type": "object",
        "properties": {key: _values().get(key, {}) for key in KEYS},
        "additionalProperties": False,
        "required": ["base"],
        "if": {"anyOf": [{"required": ["variants"]}, {"required": ["mode"], "properties": {"mode": _LIST}}]},
        "then": {"required": ["variants"], "properties": {"mode": _LIST, **dict.fromkeys(AXES_KEYS, False)}},
        "$defs": {**definitions, "spec": spec, **_definitions(said)},
    }


def _laid_over(spec: Schema) -> Schema:
    """The keys of a spec as they are where something is inherited."""
    return {**spec["properties"], **spec["then"]["properties"]}


def _values() -> Schema:
    words: Schema = Words.model_json_schema()["properties"]
    modes = [Plain.model_json_schema(), Sample.model_json_schema()]
    expression = {"type": "string", "description": "not (depth == 3 and skip.fusion == 'none')"}
    return {
        **words,
        "base": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/spec"}], "description": "A spec, its name or path."},
        "mode": {"anyOf": [modes[0]["properties"]["type"], *modes], "not": {"const": "sample"}},
        "axes": {"$ref": "#/$defs/axes"},
        "zip": {"anyOf": [_GROUP, {"type": "array", "items": _GROUP}]},
        "variants": {"anyOf": [{"type": "array", "items": _SETTINGS, "minItems": 1}, {"$ref": "#/$defs/variants"}]},
        "where": {"anyOf": [expression, {"type": "array", "items": expression}]},
        "match": _budget(),
    }


def _budget() -> Schema:
    target = {"anyOf": [{"const": "base"}, {"type": "integer", "minimum": 1}]}
    share = {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "string", "pattern": "%$"}]}
    options: Schema = {"tolerance": share, "by": {"type": "string"}, "multiple": {"type": "integer", "minimum": 1}}
    return {
        "type": "object",
        "properties": {**dict.fromkeys(MEASURES, target), **{key: options[key] for key in BUDGET_KEYS}},
        "additionalProperties": False,
        "oneOf": [{"required": [measure]} for measure in MEASURES],
    }


def _definitions(said: Schema) -> Schema:
    """Settings by path, and the axes that are made of them."""
    below = f"^({'|'.join(said)})[.\\[]"
    keys: Schema = {"type": "object", "additionalProperties": False}
    listed = {key: _listed(value) for key, value in said.items()}
    return {
        "settings": {**keys, "properties": said, "patternProperties": {below: {}}},
        "choice": {
            **keys,
            "properties": {**said, "axes": {"$ref": "#/$defs/axes"}, "zip": _values()["zip"]},
            "patternProperties": {below: {}},
        },
        "labels": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/choice"}},
        "axis": {"anyOf": [_listed({}), _LABELS]},
        "axes": {
            "type": "object",
            "properties": {key: {"anyOf": [value, _LABELS]} for key, value in listed.items()},
            "patternProperties": {below: _AXIS},
            "additionalProperties": _LABELS,
        },
        "group": {**keys, "properties": listed, "patternProperties": {below: _listed({})}, "minProperties": 1},
        "variants": {"type": "object", "minProperties": 1, "additionalProperties": _SETTINGS},
    }


def _listed(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}
