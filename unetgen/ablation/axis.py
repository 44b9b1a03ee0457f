"""Axis: what varies in a sweep, and the choices that it gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from unetgen.config.node import Node
from unetgen.config.overlay import placed, together
from unetgen.config.paths import Location
from unetgen.config.slots import SLOT_OF


@dataclass(frozen=True)
class Setting:
    """A value at a place of the spec."""

    path: str
    location: Location
    value: Node

    @cached_property
    def words(self) -> str:
        """``skip.fusion=add``."""
        return f"{self.path}={worded(self.value.plain())}"

    @cached_property
    def overlay(self) -> Node:
        """What it lays over a spec."""
        return placed(self.location, self.value)

    def leaves(self) -> Iterator[Location]:
        """Every place that it decides, however it is written: ``skip: none`` decides ``skip.fusion.type``."""
        yield from _leaves(self.location, self.value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of an axis: what it sets, and the axes that exist only under it."""

    label: str
    settings: tuple[Setting, ...]
    inner: tuple[Axis, ...] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """Choices, one of which each variant takes. A ``named`` axis gives its choices labels of their own."""

    name: str
    choices: tuple[Choice, ...]
    named: bool = False


# What a variant takes: a choice from each axis that there is for it.
Combination = tuple[tuple[Axis, Choice], ...]


def told(axis: Axis, choice: Choice) -> str:
    """What a choice sets, with its label where it has one."""
    settings = ", ".join(setting.words for setting in choice.settings)
    return f"{axis.name} {choice.label} ({settings})" if axis.named else settings


def overlay_of(combination: Combination) -> Node:
    """What a combination lays over the base, all of it at once."""
    return overlaid(setting for _, choice in combination for setting in choice.settings)


def overlaid(settings: Iterable[Setting]) -> Node:
    """One overlay of settings; what holds others goes before what stands in it, in whatever order they come."""
    ordered = sorted(settings, key=lambda setting: (len(setting.location), setting.path))
    return together(setting.overlay for setting in ordered)


def worded(value: object) -> str:
    """A value in letters that any shell and file system takes: ``interpolate+mode=linear``, ``16-32``."""
    if isinstance(value, Mapping):
        options = [f"{key}={worded(item)}" for key, item in value.items() if key != "type"]
        return "+".join([*([worded(value["type"])] if "type" in value else []), *options])
    if isinstance(value, list):
        return "-".join(map(worded, value))
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in text)


def _leaves(location: Location, node: Node) -> Iterator[Location]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _leaves((*location, key), child)
    elif location[-1] == "skip":
        yield (*location, "fusion", "type")
    else:
        yield (*location, "type") if location[-1] in SLOT_OF and not isinstance(node.value, list) else location
