"""Alternative values of an option, derived from its JSON Schema, to test whether the option has an effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unetgen.config.registry.part import Part
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import SLOTS

MAX_VALUES = 6
"""The largest number of alternative values per option."""


def find_alternative_values(part: type[Part], option: str, registry: Registry) -> list[Any]:
    """Return values of an option that differ from its default, of each type that it accepts.

    Args:
        part: The part's class.
        option: The name of the option.
        registry: The parts that an option with a slot can hold; only built-in parts are used.

    Returns:
        At most ``MAX_VALUES`` values, as plain data; empty if none can be derived.
    """
    field = part.model_fields[option]
    default = None if field.is_required() else _to_plain(field.get_default(call_default_factory=True))
    schema = part.model_json_schema()
    alternatives: list[Any] = []
    for value in _iter_values(schema["properties"][option], default, schema, registry):
        if _is_different(value, default) and value not in alternatives:
            alternatives.append(value)
    return alternatives[:MAX_VALUES]


def _to_plain(value: Any) -> Any:
    if isinstance(value, Part):
        return value.describe()
    return [_to_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _is_different(value: Any, default: Any) -> bool:
    if isinstance(value, dict) and "type" in value:
        return bool(value["type"] != (default["type"] if isinstance(default, dict) else default))
    return bool(value != default)


def _iter_values(option_schema: Any, default: Any, schema: Any, registry: Registry) -> Iterator[Any]:
    if "$ref" in option_schema:
        option_schema = schema["$defs"][option_schema["$ref"].rpartition("/")[2]]
    for alternative in option_schema.get("anyOf", ()):
        yield from _iter_values(alternative, default, schema, registry)
    if "slot" in option_schema:
        yield from _iter_parts(option_schema["slot"], registry)
    elif "enum" in option_schema or "const" in option_schema:
        yield from option_schema.get("enum", [option_schema.get("const")])
    elif option_schema.get("type") == "boolean":
        yield from (True, False)
    elif option_schema.get("type") in ("integer", "number"):
        yield from _iter_numbers(option_schema, default)
    elif option_schema.get("type") == "array" and isinstance(default, list) and default:
        yield from _iter_lists(option_schema.get("items", {}), default)


def _iter_parts(slot: str, registry: Registry) -> Iterator[Any]:
    """Yield the built-in parts of a slot that have no required options, or only one with a numeric shorthand."""
    if (shorthand := SLOTS[slot].numeric_shorthand) is not None:
        type_name, option = shorthand
        yield {"type": type_name, option: 0.5}
    for name, entry in registry.list_parts(slot).items():
        if entry.provider.is_builtin and not any(field.is_required() for field in entry.part.model_fields.values()):
            yield {"type": name, **({"padding": "zeros"} if "padding" in entry.part.model_fields else {})}


def _iter_lists(item_schema: Any, default: list[Any]) -> Iterator[Any]:
    if len(default) > 1:
        yield default[::-1]
        yield default[:-1]
    if all(isinstance(value, (int, float)) for value in default):
        yield from ([*default[:-1], value] for value in _iter_numbers(item_schema, default[-1]))


def _iter_numbers(number_schema: Any, default: Any) -> Iterator[float]:
    start = default if isinstance(default, (int, float)) and not isinstance(default, bool) else 1
    if number_schema.get("type") == "integer":
        candidates: tuple[float, ...] = (start * 2, start + 1, start + 2, start // 4, start - 1)
    else:
        candidates = (start * 2, start / 2, start + 0.25, start - 0.25)
    yield from (value for value in candidates if _is_in_bounds(value, number_schema))


def _is_in_bounds(value: float, number_schema: Any) -> bool:
    minimum, maximum = number_schema.get("minimum", value), number_schema.get("maximum", value)
    above, below = number_schema.get("exclusiveMinimum", value - 1), number_schema.get("exclusiveMaximum", value + 1)
    return bool(minimum <= value <= maximum and above < value < below)
