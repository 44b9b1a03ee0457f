"""Validate parts and models with pydantic, and translate its errors into problems with source locations."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ValidationError

from unetgen.config.part_field import ValidationContext, validate_part
from unetgen.config.registry.part import Inert, Part, format_yaml_value
from unetgen.config.registry.slots import SIDES, SLOT_BY_KEY, SLOTS
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, did_you_mean

# (3, 3) and 3, are tuples in Python, but strings in YAML.
_PYTHON_TUPLE = re.compile(r"\s*(?=.*\d)(?=.*[(),])[-\d.,()\s]+\Z")

M = TypeVar("M", bound=BaseModel)


class PartResult(NamedTuple):
    """The part that a node describes, or its problems.

    ``is_as_written`` is true if no option was reset to its default, so that equal values always give this part.
    """

    part: Part | None
    problems: list[Problem]
    is_as_written: bool = False


def parse_part(slot: str, node: YamlNode, context: ValidationContext) -> PartResult:
    """Read a part from a node."""
    try:
        part = validate_part(slot, node.to_data(), context)
    except ValidationError as error:
        details = _select_union_errors(error.errors(include_url=False), node)
        return PartResult(None, [_make_problem(detail, node, slot, context) for detail in details])
    except ValueError as error:
        # pydantic's custom errors raised outside a model are plain ValueErrors.
        return PartResult(
            None,
            [_translate_custom_error(getattr(error, "context", None) or {}, node, getattr(error, "type", "value"))],
        )
    settled, problems = _reset_inert_options(part, node)
    return PartResult(settled, problems, is_as_written=settled is part and not problems)


def _select_union_errors(details: list[Any], node: YamlNode) -> list[Any]:
    """For an option that may be a word or a number, keep the errors of the kind that was written."""
    error_types: dict[int, set[str]] = {}
    for detail in details:
        error_types.setdefault(id(node.find(detail["loc"])), set()).add(detail["type"])
    kept = []
    for detail in details:
        value_node = node.find(detail["loc"])
        is_union = {"literal_error"} < error_types[id(value_node)]
        if is_union and (detail["type"] == "literal_error") != isinstance(value_node.value, str):
            continue
        kept.append({**detail, "ctx": {**detail.get("ctx", {}), "or_number": is_union}})
    return kept


def parse_model(model: type[M], node: YamlNode) -> tuple[M | None, list[Problem]]:
    """Read a plain model from a mapping; return it, or None and the problems."""
    # Models of a few keys need not convert the rest of a spec.
    keys = model.model_fields if model.model_config["extra"] == "ignore" else node.mapping
    data = {key: child.to_data() for key, child in node.mapping.items() if key in keys}
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [_make_model_problem(detail, node, model) for detail in error.errors(include_url=False)]


def _make_model_problem(detail: Any, node: YamlNode, model: type[BaseModel]) -> Problem:
    value_node, location = node.find(detail["loc"]), detail["loc"]
    if detail["type"] != "extra_forbidden":
        return _translate_error(detail, value_node)
    for step in location[:-1]:
        model = cast(type[BaseModel], model.model_fields[str(step)].annotation)
    known = sorted(model.model_fields)
    hint = did_you_mean(str(location[-1]), known) or f"its keys are {', '.join(known)}"
    return value_node.key_problem(
        "unknown_key", f"unknown key of {'.'.join(map(str, location[:-1])) or node.path}", hint
    )


def _reset_inert_options(part: Part, node: YamlNode) -> tuple[Part, list[Problem]]:
    """Report options without effect; reset inherited ones to their defaults.

    ``mode: nearest`` over a base's ``mode: linear, align_corners: true`` is not an error.
    """
    changes: dict[tuple[str | int, ...], Part] = {}
    problems: list[Problem] = []
    for location, child in part.inside():
        reset_child, child_problems = _reset_inert_options(child, node.find(location))
        problems += child_problems
        if reset_child is not child:
            changes[location] = reset_child
    part = part.model_copy(update=_build_updates(part, changes)) if changes else part
    for inert in part.inert():
        part, option_problems = _reset_inert_option(part, node, inert)
        problems += option_problems
    return part, problems


def _build_updates(part: Part, changes: dict[tuple[str | int, ...], Part]) -> dict[str, Any]:
    """Return the fields of a part whose inner parts are replaced."""
    updates: dict[str, Any] = {}
    for (name, *index), inner_part in changes.items():
        field = str(name)
        if index:
            items = list(updates.get(field, getattr(part, field)))
            items[int(index[0])] = inner_part
            updates[field] = tuple(items)
        else:
            updates[field] = inner_part
    return updates


def _reset_inert_option(part: Part, node: YamlNode, inert: Inert) -> tuple[Part, list[Problem]]:
    """Reset an inert option to its default if its cause overrides it; otherwise report it."""
    outer, _, option = inert.option.rpartition(".")
    owner = getattr(part, outer, None) if outer else part
    field = type(owner).model_fields.get(option) if isinstance(owner, Part) else None
    if owner is None or field is None or getattr(owner, option) == field.default:
        return part, []
    option_node = (node.mapping.get(outer, node) if outer else node).mapping.get(option)
    cause = node.mapping.get(inert.because)
    setting = node.mapping.get(outer, option_node)
    if option_node is not None and setting is not None and (cause is None or cause.precedence <= setting.precedence):
        message = f"{option!r} has no effect: {inert.reason}"
        return part, [option_node.key_problem("no_effect", message, f"delete {option!r}")]
    reset_owner = owner.model_copy(update={option: field.default})
    return (part.model_copy(update={outer: reset_owner}) if outer else reset_owner), []


def _make_problem(detail: Any, node: YamlNode, slot: str, context: ValidationContext) -> Problem:
    location = tuple(detail["loc"])
    value_node = node.find(location)
    if detail["type"] == "extra_forbidden":
        return _make_unknown_option_problem(value_node, node, location, slot, context)
    return _translate_error(detail, value_node)


def _make_unknown_option_problem(
    node: YamlNode, root: YamlNode, key_path: tuple[int | str, ...], slot: str, context: ValidationContext
) -> Problem:
    parent = root.find(key_path[:-1])
    for step in key_path[:-1]:
        slot = SLOT_BY_KEY.get(str(step), slot)
    type_node = parent.mapping.get("type")
    name = parent.value if isinstance(parent.value, str) else type_node.value if type_node else SLOTS[slot].default
    entry = context.registry.find(slot, str(name))
    known = ["type", *(entry.part.model_fields if entry else ()), *SIDES.get(slot, ())]
    hint = did_you_mean(str(key_path[-1]), known) or f"its options are {', '.join(sorted(known))}"
    return node.key_problem("unknown_option", f"unknown option of {slot} {name!r}", hint)


def _translate_error(detail: Any, node: YamlNode) -> Problem:
    context = detail.get("ctx") or {}
    if "what" in context:
        return _translate_custom_error(context, node, detail["type"])
    if detail["type"] == "missing":
        missing = ".".join(str(step) for step in detail["loc"][-1:])
        return node.problem("missing", f"{missing!r} is missing", f"add '{missing}: ...'")
    if detail["type"] in ("value_error", "assertion_error"):
        # The validators of parts raise complete sentences.
        return node.problem(detail["type"], " ".join(str(context["error"]).split()))
    formatter = _MESSAGE_FORMATTERS.get(detail["type"])
    message = formatter(context) if formatter else str(detail["msg"])[:1].lower() + str(detail["msg"])[1:]
    value = node.value if not isinstance(node.value, (dict, list)) else node.to_data()
    text = format_yaml_value(value)
    hint = _suggest_yaml_syntax(value, expects_list=detail["type"] not in ("int_type", "float_type"))
    return node.problem(
        detail["type"], f"{text if len(text) < 40 else 'this'} {message}", hint or _suggest_expected(context, value)
    )


def _translate_custom_error(error_context: dict[str, Any], node: YamlNode, code: str) -> Problem:
    node = node.mapping.get(error_context.get("at", ""), node)
    hint = _suggest_yaml_syntax(node.value) or error_context.get("hint", "")
    return node.problem(code, error_context.get("what", "this is not valid"), hint)


def _suggest_yaml_syntax(value: object, *, expects_list: bool = True) -> str:
    """Return the YAML syntax for text in Python syntax."""
    if not isinstance(value, str):
        return ""
    if value == "None":
        return "write 'none' for no part, null for no value"
    if _PYTHON_TUPLE.match(value):
        words = re.findall(r"-?[\d.]+", value)
        return f"write [{', '.join(words)}]" if expects_list else f"write {words[0]}"
    if value.replace(".", "", 1).replace("-", "", 1).isdigit():
        return "write the number without quotes"
    return ""


def _suggest_expected(error_context: dict[str, Any], value: object) -> str:
    words = re.findall(r"'([^']*)'", str(error_context.get("expected", "")))
    suggestion = did_you_mean(value, words) if isinstance(value, str) else ""
    return suggestion or ("or write a number" if error_context.get("or_number") else "")


_MessageFormatter = Callable[[dict[str, Any]], str]

_MESSAGE_FORMATTERS: dict[str, _MessageFormatter] = {
    "int_type": lambda c: "is not a whole number",
    "int_from_float": lambda c: "is not a whole number",
    "float_type": lambda c: "is not a number",
    "finite_number": lambda c: "is not a finite number",
    "bool_type": lambda c: "is neither true nor false",
    "string_type": lambda c: "is not text",
    "literal_error": lambda c: f"is not one of {str(c['expected']).replace(' or ', ', ')}",
    "greater_than": lambda c: f"must be greater than {c['gt']}",
    "greater_than_equal": lambda c: f"must be at least {c['ge']}",
    "less_than": lambda c: f"must be less than {c['lt']}",
    "less_than_equal": lambda c: f"must be at most {c['le']}",
    "tuple_type": lambda c: "is not a list",
    "list_type": lambda c: "is not a list",
    "model_type": lambda c: "is not a mapping",
    "dict_type": lambda c: "is not a mapping",
    "too_short": lambda c: f"needs at least {c['min_length']} entries",
    "too_long": lambda c: f"can have at most {c['max_length']} entries",
}
