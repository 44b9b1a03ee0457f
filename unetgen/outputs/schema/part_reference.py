"""Generate the part reference in Markdown: every part with its options, their values and defaults."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from unetgen.config.registry.part import Part
from unetgen.config.registry.registry import RegisteredPart, Registry
from unetgen.config.registry.slots import SLOTS

JsonSchema = dict[str, Any]

# Descriptions of JSON types other than numbers.
_TYPE_DESCRIPTIONS = {"boolean": "`true`, `false`", "string": "text", "object": "a mapping"}

# Upper bounds from this value on are not shown, since they have no practical effect.
_MIN_HIDDEN_BOUND = 255


def format_reference(registry: Registry, *slots: str) -> str:
    """Generate one section per slot, with the description and options of each part.

    Args:
        registry: The parts.
        *slots: The slots to include (default: all).

    Returns:
        Markdown.
    """
    return "\n\n".join(_format_section(registry, slot) for slot in slots or tuple(SLOTS)) + "\n"


def _format_section(registry: Registry, slot: str) -> str:
    lines = [f"### {SLOTS[slot].plural.capitalize()}"]
    for name, entry in sorted(registry.list_parts(slot).items()):
        lines += ["", *_iter_part_lines(name, entry, is_default=name == SLOTS[slot].default)]
    return "\n".join(lines)


def _iter_part_lines(name: str, entry: RegisteredPart, *, is_default: bool) -> Iterator[str]:
    provider = "" if entry.provider.is_builtin else f" from {entry.provider}"
    yield f"**`{name}`**{' (default)' if is_default else ''}{provider}: {_format_prose(entry.part.__doc__)}"
    options = entry.part.model_json_schema()["properties"] if entry.part.model_fields else {}
    if not options:
        return
    docs = read_option_docs(entry.part)
    yield from ("", "| option | values | default | |", "|---|---|---|---|")
    for option, schema in options.items():
        default = _format_default(entry.part, option)
        description = docs.get(option) or _format_prose(schema.get("description"))
        yield f"| `{option}` | {_describe_values(schema)} | {default} | {description} |"


def read_option_docs(part: type[Part]) -> dict[str, str]:
    """Return the docstrings under a part's options, including those of its base classes."""
    docs: dict[str, str] = {}
    for cls in reversed(part.__mro__):
        if not (issubclass(cls, Part) and cls is not Part):
            continue
        for statement, after in pairwise(_parse_class_body(cls)):
            name = getattr(getattr(statement, "target", None), "id", None)
            if name and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                docs[name] = _format_prose(str(after.value.value))
    return docs


def _parse_class_body(cls: type) -> list[ast.stmt]:
    """Return the statements of a class; empty if its source is not available, as in a notebook."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, SyntaxError):
        return []
    return body.body if isinstance(body, ast.ClassDef) else []


def _format_prose(text: str | None) -> str:
    return " ".join((text or "").split()).replace("``", "`").replace("|", "\\|")


def _format_default(part: type[Part], option: str) -> str:
    field = part.model_fields[option]
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    return f"`{_format_yaml_value(default)}`" if default is not None else ""


def _format_yaml_value(value: Any) -> str:
    """Format a default as YAML on one line; parts without their type's own defaults."""
    if isinstance(value, Part):
        options = [
            f"{name}: {_format_yaml_value(getattr(value, name))}"
            for name in type(value).model_fields
            if _is_non_default(value, name)
        ]
        return f"{{type: {value.type}, {', '.join(options)}}}" if options else value.type
    if isinstance(value, tuple):
        return f"[{', '.join(map(_format_yaml_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_non_default(part: Part, option: str) -> bool:
    return bool(getattr(part, option) != type(part).model_fields[option].default)


def _describe_values(schema: JsonSchema) -> str:
    """Describe the values of an option."""
    if "slot" in schema:
        return f"[{schema['slot']}](#{SLOTS[schema['slot']].plural})"
    if "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
        is_per_axis = len(choices) == 2 and choices[1].get("items") == choices[0]
        return (
            f"{_describe_values(choices[0])}, or one per axis"
            if is_per_axis
            else ", ".join(map(_describe_values, choices))
        )
    if "enum" in schema or "const" in schema:
        literals = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{literal}`" for literal in literals)
    if schema.get("type") == "array":
        return f"a list of {_describe_values(schema['items'])}"
    if schema.get("type") in ("integer", "number"):
        return _describe_number(schema)
    return _TYPE_DESCRIPTIONS.get(schema.get("type", ""), "")


def _describe_number(schema: JsonSchema) -> str:
    kind = "whole number" if schema.get("type") == "integer" else "number"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, under = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    bounds = [f"{word} {value:g}" for word, value in (("from", low), ("above", above)) if value is not None]
    bounds += [f"to {high:g}"] if high is not None and high < _MIN_HIDDEN_BOUND else []
    bounds += [f"below {under:g}"] if under is not None else []
    return " ".join([kind, *bounds])
