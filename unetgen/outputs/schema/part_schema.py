"""Build the JSON Schemas of single parts: pydantic's schemas of their options, plus keys shared by all parts."""

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

# Whole: it inherits nothing, so a missing type means the slot's default, and required options must be present.
# Overlay: it may be merged onto an inherited part; a missing type means that part's, and required options may be there.
SchemaForm = Literal["whole", "overlay"]

CHANNELS_SCHEMA: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 65_536}


def build_slot_ref(slot: str, form: SchemaForm) -> JsonSchema:
    """Return a reference to a slot's definition."""
    return {"$ref": f"#/$defs/{slot}" if form == "whole" else f"#/$defs/{slot}_overlay"}


def build_object_schema(properties: Mapping[str, JsonSchema], required: Iterable[str] = ()) -> JsonSchema:
    """Return the schema of a mapping with these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def insert_slot_refs(schema: Any, form: SchemaForm = "whole") -> Any:
    """Replace each part in a schema of pydantic by a reference to its slot's definition.

    Args:
        schema: The schema, or any value in one.
        form: The form of the slots' schemas; parts in lists are always whole, since lists are not merged.

    Returns:
        The schema without pydantic's titles and defaults.
    """
    if not isinstance(schema, dict):
        return schema
    if "slot" in schema:
        return build_slot_ref(schema["slot"], form)
    replaced = {key: value for key, value in schema.items() if key not in ("default", "title")}
    for key in {"properties", "patternProperties"} & replaced.keys():
        replaced[key] = {name: insert_slot_refs(inner, form) for name, inner in replaced[key].items()}
    for key in {"anyOf", "oneOf", "allOf"} & replaced.keys():
        replaced[key] = [insert_slot_refs(inner, form) for inner in replaced[key]]
    if "prefixItems" in replaced:
        replaced["prefixItems"] = [insert_slot_refs(inner) for inner in replaced["prefixItems"]]
    return replaced | {
        key: insert_slot_refs(replaced[key]) for key in ("items", "additionalProperties") if key in replaced
    }


class PartSchemas:
    """The names of parts by slot, and their schemas; ``definitions`` are schemas that others refer to."""

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
        """Return the required options of a part."""
        return list(self._pydantic_schemas[part].get("required", ()))

    def build_option_schema(self, part: type[Part], name: str) -> JsonSchema:
        """Return the schema of an option of a part that inherits nothing."""
        return self._build_option(part, name, "whole")

    def build_whole_schema(self, part: type[Part]) -> JsonSchema:
        """Return the schema of a part that inherits nothing; ``type`` is required unless it is the slot's default."""
        is_default = SLOTS[part.slot].default in self.names_by_slot[part.slot][part]
        return self._build_mapping(
            part, "whole", [*([] if is_default else ["type"]), *self.list_required_options(part)]
        )

    def build_overlay_ref(self, part: type[Part]) -> JsonSchema:
        """Return a reference to the schema of a part that is merged onto an inherited one."""
        return {"$ref": f"#/$defs/{self._format_definition_key(part)}"}

    def _format_definition_key(self, part: type[Part]) -> str:
        return f"{part.slot}_overlay.{_escape_ref_name(self.names_by_slot[part.slot][part][0])}"

    def _generate_schema(self, part: type[Part]) -> JsonSchema:
        """Return pydantic's schema of a part; the models of its options are added to the definitions."""
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
        description = cleandoc(part.__doc__ or "")
        return {"title": f"{part.slot} {names[0]}", "description": description, **build_object_schema(keys, required)}

    def _build_option(self, part: type[Part], name: str, form: SchemaForm) -> JsonSchema:
        schema: JsonSchema = insert_slot_refs(self._pydantic_schemas[part]["properties"][name], form)
        default = part.model_fields[name].default if name in part.model_fields else None
        if form == "overlay" or not isinstance(default, Part) or not self._is_merge_base(default):
            return schema
        required = [
            option for option in self.list_required_options(type(default)) if option not in default.model_fields_set
        ]
        return {"anyOf": [schema, self._build_mapping(type(default), "whole", required)]}

    def _is_merge_base(self, default: Part) -> bool:
        """Return whether mappings are merged onto this default, and whether that can affect their validity."""
        names = self.names_by_slot[default.slot].get(type(default), [])
        has_effect = SLOTS[default.slot].default not in names or self.list_required_options(type(default))
        return bool(names and default.model_fields_set and has_effect)


class _LenientGenerator(GenerateJsonSchema):
    """Accepts any value for plugin options that no schema can describe; ``validate`` still checks them."""

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchema:
        return {}


def _escape_ref_name(name: str) -> str:
    return re.sub(r"[^\w-]", ".", name)


def _build_level_properties(part: type[Part]) -> JsonSchema:
    """Return the keys of an encoder or decoder for its levels, besides its own options."""
    if part.slot not in SIDES:
        return {}
    widths = {"widths": {"type": "array", "items": CHANNELS_SCHEMA, "minItems": 1, "maxItems": MAX_DEPTH}}
    used_slots = [slot for slot in SIDES[part.slot] if slot in getattr(part, "uses", LEVEL_KEYS)]
    return {
        **{slot: build_slot_ref(slot, "overlay") for slot in used_slots},
        **(widths if part.slot == "decoder" else {}),
    }
