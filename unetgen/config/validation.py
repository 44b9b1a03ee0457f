"""pydantic's findings as problems: in the spec's own words, at the place in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ValidationError

from unetgen.config.choice import Context, validate_part
from unetgen.config.node import Node
from unetgen.config.part import Inert, Part, shown
from unetgen.config.slots import SIDES, SLOT_OF, SLOTS
from unetgen.errors import Problem, did_you_mean

# (3, 3) and 3, are tuples in Python, and text in YAML.
_TUPLE = re.compile(r"\s*(?=.*\d)(?=.*[(),])[-\d.,()\s]+\Z")

M = TypeVar("M", bound=BaseModel)


class Reading(NamedTuple):
    """The part that a node describes, or what is wrong with it.

    ``as_written`` tells that nothing is wrong and no option went back to its default: the same words always mean this.
    """

    part: Part | None
    problems: list[Problem]
    as_written: bool = False


def part_at(slot: str, node: Node, context: Context) -> Reading:
    """Reads a part."""
    try:
        part = validate_part(slot, node.plain(), context)
    except ValidationError as error:
        details = _one_for_each(error.errors(include_url=False), node)
        return Reading(None, [_problem(detail, node, slot, context) for detail in details])
    except ValueError as error:
        # pydantic's custom errors raised outside a model are plain ValueErrors.
        return Reading(None, [_custom(getattr(error, "context", None) or {}, node, getattr(error, "type", "value"))])
    settled, problems = _settle(part, node)
    return Reading(settled, problems, as_written=settled is part and not problems)


def _one_for_each(details: list[Any], node: Node) -> list[Any]:
    """Of an option that may be a word or a number, what is wrong with the one that was written."""
    kinds: dict[int, set[str]] = {}
    for detail in details:
        kinds.setdefault(id(node.find(detail["loc"])), set()).add(detail["type"])
    kept = []
    for detail in details:
        at = node.find(detail["loc"])
        either = {"literal_error"} < kinds[id(at)]
        if either and (detail["type"] == "literal_error") != isinstance(at.value, str):
            continue
        kept.append({**detail, "ctx": {**detail.get("ctx", {}), "or_number": either}})
    return kept


def model_at(model: type[M], node: Node) -> tuple[M | None, list[Problem]]:
    """A plain model from a mapping, or what is wrong with it."""
    # For the models of a few keys the rest of a spec need not be written out.
    asked = model.model_fields if model.model_config["extra"] == "ignore" else node.mapping
    said = {key: child.plain() for key, child in node.mapping.items() if key in asked}
    try:
        return model.model_validate(said), []
    except ValidationError as error:
        return None, [_of_model(detail, node, model) for detail in error.errors(include_url=False)]


def _of_model(detail: Any, node: Node, model: type[BaseModel]) -> Problem:
    at, location = node.find(detail["loc"]), detail["loc"]
    if detail["type"] != "extra_forbidden":
        return _sentence(detail, at)
    for step in location[:-1]:
        model = cast(type[BaseModel], model.model_fields[str(step)].annotation)
    known = sorted(model.model_fields)
    hint = did_you_mean(str(location[-1]), known) or f"its keys are {', '.join(known)}"
    return at.key_problem("unknown_key", f"unknown key of {'.'.join(map(str, location[:-1])) or node.path}", hint)


def _settle(part: Part, node: Node) -> tuple[Part, list[Problem]]:
    """Refuses options without effect; an inherited one goes back to its default in silence.

    Who writes ``mode: nearest`` over a base's ``mode: linear, align_corners: true`` said nothing wrong.
    """
    changes: dict[tuple[str | int, ...], Part] = {}
    problems: list[Problem] = []
    for location, child in part.inside():
        settled, found = _settle(child, node.find(location))
        problems += found
        if settled is not child:
            changes[location] = settled
    part = part.model_copy(update=_updates(part, changes)) if changes else part
    for idle in part.inert():
        part, found = _without_idle(part, node, idle)
        problems += found
    return part, problems


def _updates(part: Part, changes: dict[tuple[str | int, ...], Part]) -> dict[str, Any]:
    """Fields with some parts in them replaced."""
    updates: dict[str, Any] = {}
    for (name, *place), settled in changes.items():
        field = str(name)
        if place:
            items = list(updates.get(field, getattr(part, field)))
            items[int(place[0])] = settled
            updates[field] = tuple(items)
        else:
            updates[field] = settled
    return updates


def _without_idle(part: Part, node: Node, idle: Inert) -> tuple[Part, list[Problem]]:
    """The part with an idle option at its default, if its cause was laid over it; else that is a problem."""
    outer, _, option = idle.option.rpartition(".")
    inside = getattr(part, outer, None) if outer else part
    field = type(inside).model_fields.get(option) if isinstance(inside, Part) else None
    if inside is None or field is None or getattr(inside, option) == field.default:
        return part, []
    written = (node.mapping.get(outer, node) if outer else node).mapping.get(option)
    cause = node.mapping.get(idle.because)
    beside = node.mapping.get(outer, written)
    if written is not None and beside is not None and (cause is None or cause.layer <= beside.layer):
        message = f"it has no effect: {idle.reason}"
        return part, [written.key_problem("no_effect", message, f"delete {option!r}")]
    settled = inside.model_copy(update={option: field.default})
    return (part.model_copy(update={outer: settled}) if outer else settled), []


def _problem(detail: Any, node: Node, slot: str, context: Context) -> Problem:
    location = tuple(detail["loc"])
    at = node.find(location)
    if detail["type"] == "extra_forbidden":
        return _unknown_option(at, node, location, slot, context)
    return _sentence(detail, at)


def _unknown_option(at: Node, root: Node, location: tuple[int | str, ...], slot: str, context: Context) -> Problem:
    parent = root.find(location[:-1])
    for step in location[:-1]:
        slot = SLOT_OF.get(str(step), slot)
    named = parent.mapping.get("type")
    name = parent.value if isinstance(parent.value, str) else named.value if named else SLOTS[slot].default
    entry = context.registry.find(slot, str(name))
    known = ["type", *(entry.part.model_fields if entry else ()), *SIDES.get(slot, ())]
    hint = did_you_mean(str(location[-1]), known) or f"its options are {', '.join(sorted(known))}"
    return at.key_problem("unknown_option", f"unknown option of {slot} {name!r}", hint)


def _sentence(detail: Any, at: Node) -> Problem:
    context = detail.get("ctx") or {}
    if "what" in context:
        return _custom(context, at, detail["type"])
    if detail["type"] == "missing":
        missing = ".".join(str(step) for step in detail["loc"][-1:])
        return at.problem("missing", f"{missing!r} is missing", f"add '{missing}: ...'")
    if detail["type"] in ("value_error", "assertion_error"):
        # What a validator of a plugin's raised is a sentence already.
        return at.problem(detail["type"], " ".join(str(context["error"]).split()))
    say = _SENTENCES.get(detail["type"])
    message = say(context) if say else str(detail["msg"])[:1].lower() + str(detail["msg"])[1:]
    given = at.value if not isinstance(at.value, (dict, list)) else at.plain()
    text = shown(given)
    hint = _lookalike(given, a_list=detail["type"] not in ("int_type", "float_type"))
    return at.problem(
        detail["type"], f"{text if len(text) < 40 else 'this'} {message}", hint or _expected(context, given)
    )


def _custom(context: dict[str, Any], at: Node, code: str) -> Problem:
    at = at.mapping.get(context.get("at", ""), at)
    hint = _lookalike(at.value) or context.get("hint", "")
    return at.problem(code, context.get("what", "this is not valid"), hint)


def _lookalike(value: object, *, a_list: bool = True) -> str:
    """Text that would be something else in Python: what to write in YAML."""
    if not isinstance(value, str):
        return ""
    if value == "None":
        return "write 'none' for no part, null for no value"
    if _TUPLE.match(value):
        words = re.findall(r"-?[\d.]+", value)
        return f"write [{', '.join(words)}]" if a_list else f"write {words[0]}"
    if value.replace(".", "", 1).replace("-", "", 1).isdigit():
        return "write the number without quotes"
    return ""


def _expected(context: dict[str, Any], given: object) -> str:
    words = re.findall(r"'([^']*)'", str(context.get("expected", "")))
    near = did_you_mean(given, words) if isinstance(given, str) else ""
    return near or ("or write a number" if context.get("or_number") else "")


_Sentence = Callable[[dict[str, Any]], str]

_SENTENCES: dict[str, _Sentence] = {
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
    "too_long": lambda c: f"has room for at most {c['max_length']} entries",
}
