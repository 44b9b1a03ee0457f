"""The JSON Schemas of single parts: what pydantic knows of their options, and what may stand beside those."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from unetgen.config.registry.part import Part
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES, SLOTS
from unetgen.config.widths import MAX_DEPTH

JsonSchema = dict[str, Any]

# Whole: nothing stands below it, so that no type means the slot's usual one, and what the type needs must be given.
# Overlay: something may stand below it; no type means the type of that, and what it needs may be there.
SchemaForm = Literal["whole", "overlay"]

CHANNELS_SCHEMA: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 65_536}


def build_slot_ref(slot: str, form: SchemaForm) -> JsonSchema:
    """A reference to a slot's definition."""
    return {"$ref": f"#/$defs/{slot}" if form == "whole" else f"#/$defs/{slot}_overlay"}


def build_object_schema(properties: Mapping[str, JsonSchema], required: Iterable[str] = ()) -> JsonSchema:
    """A mapping of these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def insert_slot_refs(schema: Any, form: SchemaForm = "whole") -> Any:
    """A schema of pydantic's with a slot's own wherever it holds a part. A list replaces, so what is in it is whole."""
    if not isinstance(schema, dict):
        return schema
    if "slot" in schema:
        return build_slot_ref(schema["slot"], form)
    placed = {key: value for key, value in schema.items() if key not in ("default", "title")}
    for key in {"properties", "patternProperties"} & placed.keys():
        placed[key] = {name: insert_slot_refs(inner, form) for name, inner in placed[key].items()}
    for key in {"anyOf", "oneOf", "allOf"} & placed.keys():
        placed[key] = [insert_slot_refs(inner, form) for inner in placed[key]]
    if "prefixItems" in placed:
        placed["prefixItems"] = [insert_slot_refs(inner) for inner in placed["prefixItems"]]
    return placed | {key: insert_slot_refs(placed[key]) for key in ("items", "additionalProperties") if key in placed}


class PartSchemas:
    """Every part's names by slot, and its schemas; ``definitions`` are those that others refer to."""

    def __init__(self, registry: Registry) -> None:
        self.names_by_slot = {slot: registry.list_accepted_names(slot) for slot in SLOTS}
        self.definitions: JsonSchema = {}
        self._pydantic_schemas = {
            part: self._generate_schema(part) for parts in self.names_by_slot.values() for part in parts
        }
        for parts in self.names_by_slot.values():
            self.definitions |= {
                self._format_definition_key(part): self._build_mapping(part, "overlay") for part in parts
            }

    def list_required_options(self, part: type[Part]) -> list[str]:
        """The options that a part cannot do without."""
        return list(self._pydantic_schemas[part].get("required", ()))

    def build_option_schema(self, part: type[Part], name: str) -> JsonSchema:
        """What an option may be, of a part that is told whole."""
        return self._build_option(part, name, "whole")

    def build_whole_schema(self, part: type[Part]) -> JsonSchema:
        """All that a part needs, with its type where the slot's usual one is another."""
        usual = SLOTS[part.slot].default in self.names_by_slot[part.slot][part]
        return self._build_mapping(part, "whole", [*([] if usual else ["type"]), *self.list_required_options(part)])

    def build_overlay_ref(self, part: type[Part]) -> JsonSchema:
        """Some options of a part, with or without its type."""
        return {"$ref": f"#/$defs/{self._format_definition_key(part)}"}

    def _format_definition_key(self, part: type[Part]) -> str:
        return f"{part.slot}_overlay.{_escape_ref_name(self.names_by_slot[part.slot][part][0])}"

    def _generate_schema(self, part: type[Part]) -> JsonSchema:
        """What pydantic says of a part. The models that its options are made of go among the definitions."""
        prefix = f"{part.slot}.{_escape_ref_name(self.names_by_slot[part.slot][part][0])}"
        own = part.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}", schema_generator=_LenientGenerator)
        models = own.get("$defs", {}).items()
        self.definitions |= {f"{prefix}.{model}": insert_slot_refs(schema) for model, schema in models}
        return own

    def _build_mapping(self, part: type[Part], form: SchemaForm, required: Iterable[str] = ()) -> JsonSchema:
        names = self.names_by_slot[part.slot][part]
        options = {
            name: self._build_option(part, name, form) for name in self._pydantic_schemas[part].get("properties", {})
        }
        keys = {"type": {"enum": names}, **options, **_build_level_properties(part)}
        said = cleandoc(part.__doc__ or "")
        return {"title": f"{part.slot} {names[0]}", "description": said, **build_object_schema(keys, required)}

    def _build_option(self, part: type[Part], name: str, form: SchemaForm) -> JsonSchema:
        schema: JsonSchema = insert_slot_refs(self._pydantic_schemas[part]["properties"][name], form)
        default = part.model_fields[name].default if name in part.model_fields else None
        if form == "overlay" or not isinstance(default, Part) or not self._is_merge_base(default):
            return schema
        needed = [
            option for option in self.list_required_options(type(default)) if option not in default.model_fields_set
        ]
        return {"anyOf": [schema, self._build_mapping(type(default), "whole", needed)]}

    def _is_merge_base(self, default: Part) -> bool:
        """Whether a mapping is laid over this default, and that matters; a default without options is not looked at."""
        names = self.names_by_slot[default.slot].get(type(default), [])
        matters = SLOTS[default.slot].default not in names or self.list_required_options(type(default))
        return bool(names and default.model_fields_set and matters)


class _LenientGenerator(GenerateJsonSchema):
    """A stranger's option that no schema can describe may be anything here; ``validate`` still checks it."""

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchema:
        return {}


def _escape_ref_name(name: str) -> str:
    return re.sub(r"[^\w-]", ".", name)


def _build_level_properties(part: type[Part]) -> JsonSchema:
    """What an encoder or decoder says of its levels, beside its own options."""
    if part.slot not in SIDES:
        return {}
    widths = {"widths": {"type": "array", "items": CHANNELS_SCHEMA, "minItems": 1, "maxItems": MAX_DEPTH}}
    used = [slot for slot in SIDES[part.slot] if slot in getattr(part, "uses", LEVEL_KEYS)]
    return {**{slot: build_slot_ref(slot, "overlay") for slot in used}, **(widths if part.slot == "decoder" else {})}
