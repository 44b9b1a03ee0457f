"""Other values for an option, guessed from its schema, so that it can be seen whether it changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unetgen.config.part import Part
from unetgen.config.registry import Registry
from unetgen.config.slots import SLOTS

# So many values of an option are tried at most.
MOST = 6


def other_values(part: type[Part], option: str, registry: Registry) -> list[Any]:
    """Values of an option beside its default, of each kind that it may have."""
    field = part.model_fields[option]
    default = None if field.is_required() else _plain(field.get_default(call_default_factory=True))
    schema = part.model_json_schema()
    found: list[Any] = []
    for value in _values(schema["properties"][option], default, schema, registry):
        if _differs(value, default) and value not in found:
            found.append(value)
    return found[:MOST]


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return value.describe()
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _differs(value: Any, default: Any) -> bool:
    if isinstance(value, dict) and "type" in value:
        return bool(value["type"] != (default["type"] if isinstance(default, dict) else default))
    return bool(value != default)


def _values(said: Any, default: Any, schema: Any, registry: Registry) -> Iterator[Any]:
    if "$ref" in said:
        said = schema["$defs"][said["$ref"].rpartition("/")[2]]
    for alternative in said.get("anyOf", ()):
        yield from _values(alternative, default, schema, registry)
    if "slot" in said:
        yield from _parts(said["slot"], registry)
    elif "enum" in said or "const" in said:
        yield from said.get("enum", [said.get("const")])
    elif said.get("type") == "boolean":
        yield from (True, False)
    elif said.get("type") in ("integer", "number"):
        yield from _numbers(said, default)
    elif said.get("type") == "array" and isinstance(default, list) and default:
        yield from _lists(said.get("items", {}), default)


def _parts(slot: str, registry: Registry) -> Iterator[Any]:
    """Built-in parts of a slot that need no options but their number."""
    if (number := SLOTS[slot].number) is not None:
        yield {"type": number[0], number[1]: 0.5}
    for name, entry in registry.parts(slot).items():
        if entry.provider.builtin and not any(field.is_required() for field in entry.part.model_fields.values()):
            yield {"type": name, **({"padding": "zeros"} if "padding" in entry.part.model_fields else {})}


def _lists(item: Any, default: list[Any]) -> Iterator[Any]:
    if len(default) > 1:
        yield default[::-1]
        yield default[:-1]
    if all(isinstance(value, (int, float)) for value in default):
        yield from ([*default[:-1], value] for value in _numbers(item, default[-1]))


def _numbers(said: Any, default: Any) -> Iterator[float]:
    start = default if isinstance(default, (int, float)) and not isinstance(default, bool) else 1
    near = (start + 1, start + 2, start // 4, start - 1) if _is_whole(said) else (start / 2, start + 0.25, start - 0.25)
    yield from (value for value in (start * 2, *near) if _is_within(value, said))


def _is_whole(said: Any) -> bool:
    return bool(said.get("type") == "integer")


def _is_within(value: float, said: Any) -> bool:
    over: bool = value >= said.get("minimum", value) and value > said.get("exclusiveMinimum", value - 1)
    under: bool = value <= said.get("maximum", value) and value < said.get("exclusiveMaximum", value + 1)
    return over and under
