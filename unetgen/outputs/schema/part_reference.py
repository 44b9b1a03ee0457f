"""Generate the part reference in Markdown: every part with its options, their values and defaults."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from unetgen.config.registry.part import Part
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import SLOTS

JsonSchema = dict[str, Any]

# The first line of each generated page.
GENERATED = "<!-- Generated from docstrings and options; run pytest --update-golden tests/docs/test_generated.py. -->"

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
        Markdown, in which the values of options link to the sections of slots.
    """
    reference = _PartReference(registry, heading="##", link="#{}")
    return "\n".join("\n".join(reference.iter_lines(slot)) + "\n" for slot in slots or tuple(SLOTS))


def part_pages(registry: Registry) -> dict[str, str]:
    """Generate one page per slot, and an index of them.

    Args:
        registry: The parts.

    Returns:
        By file name (``blocks.md``), Markdown in which the values of options link to the pages of slots.
    """
    reference = _PartReference(registry, heading="#", link="{}.md")
    pages = {f"{SLOTS[slot].plural}.md": reference.iter_lines(slot) for slot in SLOTS}
    pages["index.md"] = reference.iter_index_lines()
    return {name: "\n".join([GENERATED, "", *lines]) + "\n" for name, lines in pages.items()}


@dataclass(frozen=True)
class _PartReference:
    """Writes sections about slots; ``heading`` marks a slot's heading, ``link`` is the address of a slot's section."""

    registry: Registry
    heading: str
    link: str

    def iter_lines(self, slot: str) -> Iterator[str]:
        yield f"{self.heading} {SLOTS[slot].plural.capitalize()}"
        yield from ("", f"{self._describe_slot(slot)} The default is `{SLOTS[slot].default}`.")
        for name, entry in sorted(self.registry.list_parts(slot).items()):
            provider = "" if entry.provider.is_builtin else f"From {entry.provider}. "
            yield from ("", f"{self.heading}# `{name}`", "", f"{provider}{_format_prose(entry.part.__doc__)}")
            yield from self._iter_options(entry.part)

    def iter_index_lines(self) -> Iterator[str]:
        yield from ("# Parts", "", "The parts that unetgen has for each slot of a spec, with their options.")
        yield "If an option holds a part, its values are those of the linked slot, as names or mappings with options."
        yield "`unetgen plugins --options all` prints these pages, including the parts of installed plugins."
        yield from ("", "| slot | content | parts |", "|---|---|---|")
        for slot in SLOTS:
            page = self.link.format(SLOTS[slot].plural)
            parts = ", ".join(f"[`{name}`]({page}#{name})" for name in sorted(self.registry.list_parts(slot)))
            yield f"| [`{slot}`]({page}) | {self._describe_slot(slot)} | {parts} |"

    def _describe_slot(self, slot: str) -> str:
        """Return the first paragraph of the docstring of the slot's base class."""
        part = self.registry.list_parts(slot)[SLOTS[slot].default].part
        base = next(cls for cls in part.__mro__ if "slot" in cls.__dict__)
        return _format_prose(inspect.cleandoc(base.__doc__ or "").partition("\n\n")[0])

    def _iter_options(self, part: type[Part]) -> Iterator[str]:
        options = part.model_json_schema()["properties"] if part.model_fields else {}
        if not options:
            return
        docs = read_option_docs(part)
        yield from ("", "| option | values | default | description |", "|---|---|---|---|")
        for option, schema in options.items():
            description = docs.get(option) or _format_prose(schema.get("description"))
            values = _describe_values(schema, self.link)
            yield f"| `{option}` | {values} | {_format_default(part, option)} | {description} |"


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


def _describe_values(schema: JsonSchema, link: str) -> str:
    """Describe the values of an option; those that are parts, by a link to the parts of their slot."""
    if "slot" in schema:
        return f"[{schema['slot']}]({link.format(SLOTS[schema['slot']].plural)})"
    if "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
        is_per_axis = len(choices) == 2 and choices[1].get("items") == choices[0]
        described = [_describe_values(choice, link) for choice in choices]
        return f"{described[0]}, or one per axis" if is_per_axis else ", ".join(described)
    if "enum" in schema or "const" in schema:
        literals = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{literal}`" for literal in literals)
    if schema.get("type") == "array":
        return "a list of " + re.sub(r"^(whole )?number", r"\g<0>s", _describe_values(schema["items"], link))
    is_number = schema.get("type") in ("integer", "number")
    return _describe_number(schema) if is_number else _TYPE_DESCRIPTIONS.get(schema.get("type", ""), "")


def _describe_number(schema: JsonSchema) -> str:
    kind = "whole number" if schema.get("type") == "integer" else "number"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, under = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    bounds = [f"{word} {value:g}" for word, value in (("from", low), ("above", above)) if value is not None]
    bounds += [f"to {high:g}"] if high is not None and high < _MIN_HIDDEN_BOUND else []
    bounds += [f"below {under:g}"] if under is not None else []
    return " ".join([kind, *bounds])
