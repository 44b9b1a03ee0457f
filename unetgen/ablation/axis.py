"""Axis: what varies in a sweep, and the choices that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from unetgen.config.node import Node
from unetgen.config.overlay import lifted, placed, together
from unetgen.config.paths import Location
from unetgen.config.slots import SLOT_OF, SLOTS


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

    @cached_property
    def inherited(self) -> Node:
        """The same where it says what the base says anyway, and so goes back to a default as the base would.

        A depth and widths decide about each other; they are always said.
        """
        decides = self.location[0] == "depth" or "widths" in self.location
        return self.overlay if decides else lifted(self.overlay, -1)

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
    """Choices, one of which each variant takes. A ``named`` axis gives its choices labels of their own.

    ``alone`` it is the only one there can be: a list of variants.
    """

    name: str
    choices: tuple[Choice, ...]
    named: bool = False
    alone: bool = False

    @property
    def places(self) -> set[Location]:
        """Every place that it decides about, in one choice or another."""
        own = {leaf for choice in self.choices for setting in choice.settings for leaf in setting.leaves()}
        return own.union(*(axis.places for choice in self.choices for axis in choice.inner))


# What a variant takes: a choice from each axis that there is for it.
Combination = tuple[tuple[Axis, Choice], ...]


def decided_twice(places: Iterable[Location], taken: Iterable[Location]) -> tuple[Location, Location] | None:
    """A place, and one of those taken that is the same, in it or around it; None where each is decided once."""
    return next(((p, t) for p in places for t in taken if p[: len(t)] == t[: len(p)]), None)


def told(axis: Axis, choice: Choice) -> str:
    """What a choice sets, with its label where it has one."""
    settings = ", ".join(setting.words for setting in choice.settings)
    return f"{axis.name} {choice.label} ({settings})" if axis.named else settings


def overlay_of(combination: Combination, says_nothing: Callable[[Choice], bool] = lambda choice: False) -> Node:
    """What a combination lays over the base, all of it at once.

    Settings that hold others go before what stands in them, in whatever order the axes come.
    """
    settings = [(setting, choice) for _, choice in combination for setting in choice.settings]
    settings.sort(key=lambda pair: (len(pair[0].location), pair[0].path))
    return together(setting.inherited if says_nothing(choice) else setting.overlay for setting, choice in settings)


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
    elif location[-1] in SLOT_OF and not isinstance(node.value, list):
        yield (*location, "type")
        number = SLOTS[SLOT_OF[location[-1]]].number
        if number and type(node.value) in (int, float):
            yield (*location, number[1])
    else:
        yield location
