"""Validate a part: from a name or a mapping, through the registry, to an instance."""

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
    """The registry and the number of spatial dimensions that validation depends on."""

    registry: Registry
    dims: int


class In:
    """Mark a field that holds a part: ``norm: Annotated[Norm, In("norm")]``.

    Args:
        slot: The slot whose parts the field accepts.

    Examples:
        >>> from typing import Annotated
        >>> from unetgen.authoring import In, Norm
        >>> NormField = Annotated[Norm, In("norm")]
    """

    def __init__(self, slot: str) -> None:
        self.slot = slot

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, info: ValidationInfo) -> Any:
            return (
                value
                if isinstance(value, Part)
                else validate_part(self.slot, value, cast(ValidationContext, info.context))
            )

        instance = core_schema.is_instance_schema(source)
        return core_schema.with_info_before_validator_function(validate, instance)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"slot": self.slot}  # outputs.schema replaces this by the slot's own schema


def validate_part(slot: str, value: Any, context: ValidationContext) -> Part:
    """Return the part that a plain value describes. Raises pydantic's errors."""
    options = _parse_options(slot, value)
    part_type = options.pop("type", SLOTS[slot].default)
    if not isinstance(part_type, str):
        hint = f"{SLOTS[slot].plural} are {', '.join(context.registry.list_names(slot))}"
        raise PydanticCustomError(
            "part_type", "{what}", {"what": f"{format_yaml_value(part_type)} is not a name", "hint": hint, "at": "type"}
        )
    entry = context.registry.find(slot, part_type)
    if entry is None:
        what, hint = context.registry.explain_missing(slot, part_type)
        raise PydanticCustomError(
            "unknown_part", "{what}", {"what": what, "hint": hint, "at": "type", "name": part_type}
        )
    return entry.part.model_validate(_merge_with_defaults(entry.part, options), context=context)


def _parse_options(slot: str, value: Any) -> dict[str, Any]:
    shorthand = SLOTS[slot].numeric_shorthand
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, Mapping):
        return dict(value)
    if shorthand and type(value) in (int, float):
        return {"type": shorthand[0], shorthand[1]: float(value)}
    what = f"{'an' if slot[0] in 'aeiou' else 'a'} {slot} must be a name or a mapping with 'type'"
    hint = "to have none, write 'none'" if value is False else ""
    if value is None:
        hint = "indent its options below it, or write 'none' to have none"
    raise PydanticCustomError("part", "{what}", {"what": what, "hint": hint})


def _merge_with_defaults(part: type[Part], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options, with each inner part merged onto the default part if both have the same type."""
    for name, default in _find_customized_defaults(part):
        option = options.get(name)
        if isinstance(option, Mapping) and option.get("type", default.type) == default.type:
            options[name] = {"type": default.type, **_get_explicit_options(default), **option}
    return options


def _get_explicit_options(part: Part) -> dict[str, Any]:
    described = part.describe()
    return {name: described[name] for name in part.model_fields_set} if isinstance(described, dict) else {}


@lru_cache(maxsize=512)
def _find_customized_defaults(part: type[Part]) -> tuple[tuple[str, Part], ...]:
    """Return the default parts in a part's fields that have options other than their own defaults."""
    defaults = ((name, field.default) for name, field in part.model_fields.items())
    return tuple(
        (name, default) for name, default in defaults if isinstance(default, Part) and default.model_fields_set
    )
