"""Choosing a part: from a name or a mapping in the text, by the registry, to the part itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from unetgen.config.registry.part import Part, format_yaml_value
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import SLOTS


class ValidationContext(NamedTuple):
    """What validation needs to know beside the text: the installed parts and the number of axes."""

    registry: Registry
    dims: int


class In:
    """Marks a field that holds a part: ``norm: Annotated[Norm, In("norm")]``."""

    def __init__(self, slot: str) -> None:
        self.slot = slot

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def choose(value: Any, info: ValidationInfo) -> Any:
            return (
                value
                if isinstance(value, Part)
                else validate_part(self.slot, value, cast(ValidationContext, info.context))
            )

        instance = core_schema.is_instance_schema(source)
        return core_schema.with_info_before_validator_function(choose, instance)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"slot": self.slot}  # the writer of the whole schema puts the slot's own schema here


def validate_part(slot: str, value: Any, context: ValidationContext) -> Part:
    """The part that a plain value describes. Raises pydantic's ValidationError."""
    options = _parse_options(slot, value)
    named = options.pop("type", SLOTS[slot].default)
    if not isinstance(named, str):
        hint = f"{SLOTS[slot].plural} are {', '.join(context.registry.list_names(slot))}"
        raise PydanticCustomError(
            "part_type", "{what}", {"what": f"{format_yaml_value(named)} is not a name", "hint": hint, "at": "type"}
        )
    entry = context.registry.find(slot, named)
    if entry is None:
        what, hint = context.registry.explain_missing(slot, named)
        raise PydanticCustomError("unknown_part", "{what}", {"what": what, "hint": hint, "at": "type", "name": named})
    return entry.part.model_validate(_merge_with_defaults(entry.part, options), context=context)


def _parse_options(slot: str, value: Any) -> dict[str, Any]:
    number = SLOTS[slot].numeric_shorthand
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, Mapping):
        return dict(value)
    if number and type(value) in (int, float):
        return {"type": number[0], number[1]: float(value)}
    what = f"{'an' if slot[0] in 'aeiou' else 'a'} {slot} is a name or a mapping with 'type'"
    off = "to have none, write 'none'" if value is False else ""
    if value is None:
        off = "indent its options below it, or write 'none' to have none"
    raise PydanticCustomError("part", "{what}", {"what": what, "hint": off})


def _merge_with_defaults(part: type[Part], options: dict[str, Any]) -> dict[str, Any]:
    """The options, each part among them laid over the one that stands there by default, where it is of its type."""
    for name, default in _find_customized_defaults(part):
        given = options.get(name)
        if isinstance(given, Mapping) and given.get("type", default.type) == default.type:
            options[name] = {"type": default.type, **_get_explicit_options(default), **given}
    return options


def _get_explicit_options(part: Part) -> dict[str, Any]:
    described = part.describe()
    return {name: described[name] for name in part.model_fields_set} if isinstance(described, dict) else {}


@lru_cache(maxsize=512)
def _find_customized_defaults(part: type[Part]) -> tuple[tuple[str, Part], ...]:
    """The parts that stand in a part's fields by default and are not as their own types have them."""
    defaults = ((name, field.default) for name, field in part.model_fields.items())
    return tuple((name, d) for name, d in defaults if isinstance(d, Part) and d.model_fields_set)
