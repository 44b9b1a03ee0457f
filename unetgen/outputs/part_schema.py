"""The JSON Schemas of single parts: what pydantic knows of their options, and what may stand beside those."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from unetgen.config.part import Part
from unetgen.config.registry import Registry
from unetgen.config.slots import LEVEL_KEYS, SIDES, SLOTS
from unetgen.config.widths import MAX_DEPTH

Schema = dict[str, Any]

# Whole: nothing stands below it, so that no type means the slot's usual one, and what the type needs must be given.
# Overlay: something may stand below it; no type means the type of that, and what it needs may be there.
Form = Literal["whole", "overlay"]

CHANNELS: Schema = {"type": "integer", "minimum": 1, "maximum": 65_536}


def ref(slot: str, form: Form) -> Schema:
    """A reference to a slot's definition."""
    return {"$ref": f"#/$defs/{slot}" if form == "whole" else f"#/$defs/{slot}_overlay"}


def mapping(properties: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    """A mapping of these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def with_slots(schema: Any, form: Form = "whole") -> Any:
    """A schema of pydantic's with a slot's own wherever it holds a part. A list replaces, so what is in it is whole."""
    if not isinstance(schema, dict):
        return schema
    if "slot" in schema:
        return ref(schema["slot"], form)
    placed = {key: value for key, value in schema.items() if key not in ("default", "title")}
    for key in {"properties", "patternProperties"} & placed.keys():
        placed[key] = {name: with_slots(inner, form) for name, inner in placed[key].items()}
    for key in {"anyOf", "oneOf", "allOf"} & placed.keys():
        placed[key] = [with_slots(inner, form) for inner in placed[key]]
    if "prefixItems" in placed:
        placed["prefixItems"] = [with_slots(inner) for inner in placed["prefixItems"]]
    return placed | {key: with_slots(placed[key]) for key in ("items", "additionalProperties") if key in placed}


class Parts:
    """Every part's names by slot, and its schemas; ``definitions`` are those that others refer to."""

    def __init__(self, registry: Registry) -> None:
        self.names = {slot: registry.spellings(slot) for slot in SLOTS}
        self.definitions: Schema = {}
        self._own = {part: self._described(part) for parts in self.names.values() for part in parts}
        for parts in self.names.values():
            self.definitions |= {self._key(part): self._mapping(part, "overlay") for part in parts}

    def needed(self, part: type[Part]) -> list[str]:
        """The options that a part cannot do without."""
        return list(self._own[part].get("required", ()))

    def option(self, part: type[Part], name: str) -> Schema:
        """What an option may be, of a part that is told whole."""
        return self._option(part, name, "whole")

    def whole(self, part: type[Part]) -> Schema:
        """All that a part needs, with its type where the slot's usual one is another."""
        usual = SLOTS[part.slot].default in self.names[part.slot][part]
        return self._mapping(part, "whole", [*([] if usual else ["type"]), *self.needed(part)])

    def overlay(self, part: type[Part]) -> Schema:
        """Some options of a part, with or without its type."""
        return {"$ref": f"#/$defs/{self._key(part)}"}

    def _key(self, part: type[Part]) -> str:
        return f"{part.slot}_overlay.{_spelt_for_references(self.names[part.slot][part][0])}"

    def _described(self, part: type[Part]) -> Schema:
        """What pydantic says of a part. The models that its options are made of go among the definitions."""
        prefix = f"{part.slot}.{_spelt_for_references(self.names[part.slot][part][0])}"
        own = part.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}", schema_generator=_Forgiving)
        models = own.get("$defs", {}).items()
        self.definitions |= {f"{prefix}.{model}": with_slots(schema) for model, schema in models}
        return own

    def _mapping(self, part: type[Part], form: Form, required: Iterable[str] = ()) -> Schema:
        names = self.names[part.slot][part]
        options = {name: self._option(part, name, form) for name in self._own[part].get("properties", {})}
        keys = {"type": {"enum": names}, **options, **_beside(part)}
        said = cleandoc(part.__doc__ or "")
        return {"title": f"{part.slot} {names[0]}", "description": said, **mapping(keys, required)}

    def _option(self, part: type[Part], name: str, form: Form) -> Schema:
        schema: Schema = with_slots(self._own[part]["properties"][name], form)
        default = part.model_fields[name].default if name in part.model_fields else None
        if form == "overlay" or not isinstance(default, Part) or not self._lies_below(default):
            return schema
        needed = [option for option in self.needed(type(default)) if option not in default.model_fields_set]
        return {"anyOf": [schema, self._mapping(type(default), "whole", needed)]}

    def _lies_below(self, default: Part) -> bool:
        """Whether a mapping is laid over this default, and that matters; a default without options is not looked at."""
        names = self.names[default.slot].get(type(default), [])
        matters = SLOTS[default.slot].default not in names or self.needed(type(default))
        return bool(names and default.model_fields_set and matters)


class _Forgiving(GenerateJsonSchema):
    """A stranger's option that no schema can describe may be anything here; ``validate`` still checks it."""

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> Schema:
        return {}


def _spelt_for_references(name: str) -> str:
    return re.sub(r"[^\w-]", ".", name)


def _beside(part: type[Part]) -> Schema:
    """What an encoder or decoder says of its levels, beside its own options."""
    if part.slot not in SIDES:
        return {}
    widths = {"widths": {"type": "array", "items": CHANNELS, "minItems": 1, "maxItems": MAX_DEPTH}}
    used = [slot for slot in SIDES[part.slot] if slot in getattr(part, "uses", LEVEL_KEYS)]
    return {**{slot: ref(slot, "overlay") for slot in used}, **(widths if part.slot == "decoder" else {})}
