"""Build the JSON Schema of sweep files from the installed parts, for editors."""

from __future__ import annotations

from unetgen.ablation.sweeps.definition.axes import AXES_KEYS, NON_VARIABLE_KEYS
from unetgen.ablation.sweeps.definition.mode import PlainModeFields, SampleModeFields
from unetgen.ablation.sweeps.definition.sweep_file import SWEEP_KEYS, SweepFields
from unetgen.ablation.sweeps.matching.budget import BUDGET_KEYS
from unetgen.analysis.measures import COST_METRICS
from unetgen.config.registry.registry import Registry
from unetgen.outputs.schema.part_schema import JsonSchema
from unetgen.outputs.schema.spec_schema import build_json_schema

_SETTINGS, _AXIS, _LABELS, _GROUP = ({"$ref": f"#/$defs/{name}"} for name in ("settings", "axis", "labels", "group"))

# Mode "list", which is also the default if the file has variants.
_LIST_MODE = {"enum": ["list", {"type": "list"}]}


def build_sweep_schema(registry: Registry) -> JsonSchema:
    """Build the JSON Schema (draft 2020-12) of sweep files.

    Of dotted paths it checks only the first step, and it cannot check which values are compatible.

    Args:
        registry: The installed parts.

    Returns:
        The schema as plain data.
    """
    spec = build_json_schema(registry)
    definitions = spec.pop("$defs")
    variable = {key: value for key, value in _override_properties(spec).items() if key not in NON_VARIABLE_KEYS}
    return {
        "$schema": spec.pop("$schema"),
        "title": "unetgen sweep",
        "type": "object",
        "properties": {key: _build_properties().get(key, {}) for key in SWEEP_KEYS},
        "additionalProperties": False,
        "required": ["base"],
        "if": {"anyOf": [{"required": ["variants"]}, {"required": ["mode"], "properties": {"mode": _LIST_MODE}}]},
        "then": {"required": ["variants"], "properties": {"mode": _LIST_MODE, **dict.fromkeys(AXES_KEYS, False)}},
        "$defs": {**definitions, "spec": spec, **_build_definitions(variable)},
    }


def _override_properties(spec: JsonSchema) -> JsonSchema:
    """Return the properties of a spec that inherits from another."""
    return {**spec["properties"], **spec["then"]["properties"]}


def _build_properties() -> JsonSchema:
    scalar_fields: JsonSchema = SweepFields.model_json_schema()["properties"]
    modes = [PlainModeFields.model_json_schema(), SampleModeFields.model_json_schema()]
    expression = {"type": "string", "description": "not (depth == 3 and skip.fusion == 'none')"}
    return {
        **scalar_fields,
        "base": {
            "anyOf": [{"type": "string"}, {"$ref": "#/$defs/spec"}],
            "description": "A spec, its name or its path.",
        },
        "mode": {"anyOf": [modes[0]["properties"]["type"], *modes], "not": {"const": "sample"}},
        "axes": {"$ref": "#/$defs/axes"},
        "zip": {"anyOf": [_GROUP, {"type": "array", "items": _GROUP}]},
        "variants": {"anyOf": [{"type": "array", "items": _SETTINGS, "minItems": 1}, {"$ref": "#/$defs/variants"}]},
        "where": {"anyOf": [expression, {"type": "array", "items": expression}]},
        "match": _build_budget_schema(),
    }


def _build_budget_schema() -> JsonSchema:
    target = {"anyOf": [{"const": "base"}, {"type": "integer", "minimum": 1}]}
    tolerance = {
        "anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "string", "pattern": "%$"}]
    }
    limit: JsonSchema = {"anyOf": [target, {"type": "string", "pattern": "%$"}]}
    options: JsonSchema = {
        "tolerance": tolerance,
        "by": {"type": "string"},
        "multiple": {"type": "integer", "minimum": 1},
        "at_most": {
            "type": "object",
            "properties": dict.fromkeys(COST_METRICS, limit),
            "additionalProperties": False,
            "minProperties": 1,
        },
    }
    return {
        "type": "object",
        "properties": {**dict.fromkeys(COST_METRICS, target), **{key: options[key] for key in BUDGET_KEYS}},
        "additionalProperties": False,
        "oneOf": [{"required": [metric]} for metric in COST_METRICS],
    }


def _build_definitions(spec_properties: JsonSchema) -> JsonSchema:
    """Build the definitions of settings by path and of the axes made of them."""
    nested_path = f"^({'|'.join(spec_properties)})[.\\[]"
    keys: JsonSchema = {"type": "object", "additionalProperties": False}
    value_lists = {key: _build_array(value) for key, value in spec_properties.items()}
    return {
        "settings": {**keys, "properties": spec_properties, "patternProperties": {nested_path: {}}},
        "choice": {
            **keys,
            "properties": {**spec_properties, "axes": {"$ref": "#/$defs/axes"}, "zip": _build_properties()["zip"]},
            "patternProperties": {nested_path: {}},
        },
        "labels": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/choice"}},
        "axis": {"anyOf": [_build_array({}), _LABELS]},
        "axes": {
            "type": "object",
            "properties": {key: {"anyOf": [value, _LABELS]} for key, value in value_lists.items()},
            "patternProperties": {nested_path: _AXIS},
            "additionalProperties": _LABELS,
        },
        "group": {
            **keys,
            "properties": value_lists,
            "patternProperties": {nested_path: _build_array({})},
            "minProperties": 1,
        },
        "variants": {"type": "object", "minProperties": 1, "additionalProperties": _SETTINGS},
    }


def _build_array(items: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": items, "minItems": 1}
