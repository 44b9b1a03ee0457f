"""Axis: what varies in a sweep, and the choices that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from unetgen.config.key_path import KeyPath
from unetgen.config.overlay import combine_overlays, nest_at, raise_precedence
from unetgen.config.registry.slots import SLOT_BY_KEY, SLOTS
from unetgen.config.yaml.tree import YamlNode


@dataclass(frozen=True)
class Setting:
    """A value at a place of the spec."""

    path: str
    location: KeyPath
    value: YamlNode

    @cached_property
    def assignment(self) -> str:
        """``skip.fusion=add``."""
        return f"{self.path}={slugify(self.value.to_data())}"

    @cached_property
    def overlay(self) -> YamlNode:
        """What it lays over a spec."""
        return nest_at(self.location, self.value)

    @cached_property
    def overlay_at_base_precedence(self) -> YamlNode:
        """The same where it says what the base says anyway, and so goes back to a default as the base would.

        A depth and widths decide about each other; they are always said.
        """
        decides = self.location[0] == "depth" or "widths" in self.location
        return self.overlay if decides else raise_precedence(self.overlay, -1)

    def iter_leaf_locations(self) -> Iterator[KeyPath]:
        """Every place that it decides, however it is written: ``skip: none`` decides ``skip.fusion.type``."""
        yield from _iter_leaf_locations(self.location, self.value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of an axis: what it sets, and the axes that exist only under it."""

    label: str
    settings: tuple[Setting, ...]
    nested_axes: tuple[Axis, ...] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """Choices, one of which each variant takes. A ``named`` axis gives its choices labels of their own.

    ``alone`` it is the only one there can be: a list of variants.
    """

    name: str
    choices: tuple[Choice, ...]
    has_labels: bool = False
    is_variant_list: bool = False

    @property
    def leaf_locations(self) -> set[KeyPath]:
        """Every place that it decides about, in one choice or another."""
        own = {leaf for choice in self.choices for setting in choice.settings for leaf in setting.iter_leaf_locations()}
        return own.union(*(axis.leaf_locations for choice in self.choices for axis in choice.nested_axes))


# What a variant takes: a choice from each axis that there is for it.
Combination = tuple[tuple[Axis, Choice], ...]


def find_conflicting_locations(
    locations: Iterable[KeyPath], taken: Iterable[KeyPath]
) -> tuple[KeyPath, KeyPath] | None:
    """A place, and one of those taken that is the same, in it or around it; None where each is decided once."""
    return next(((p, t) for p in locations for t in taken if p[: len(t)] == t[: len(p)]), None)


def describe_choice(axis: Axis, choice: Choice) -> str:
    """What a choice sets, with its label where it has one."""
    settings = ", ".join(setting.assignment for setting in choice.settings)
    return f"{axis.name} {choice.label} ({settings})" if axis.has_labels else settings


def build_overlay(combination: Combination, equals_base: Callable[[Choice], bool] = lambda choice: False) -> YamlNode:
    """What a combination lays over the base, all of it at once.

    Settings that hold others go before what stands in them, in whatever order the axes come.
    """
    settings = [(setting, choice) for _, choice in combination for setting in choice.settings]
    settings.sort(key=lambda pair: (len(pair[0].location), pair[0].path))
    return combine_overlays(
        setting.overlay_at_base_precedence if equals_base(choice) else setting.overlay for setting, choice in settings
    )


def slugify(value: object) -> str:
    """A value in letters that any shell and file system takes: ``interpolate+mode=linear``, ``16-32``."""
    if isinstance(value, Mapping):
        options = [f"{key}={slugify(item)}" for key, item in value.items() if key != "type"]
        return "+".join([*([slugify(value["type"])] if "type" in value else []), *options])
    if isinstance(value, list):
        return "-".join(map(slugify, value))
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in text)


def _iter_leaf_locations(location: KeyPath, node: YamlNode) -> Iterator[KeyPath]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _iter_leaf_locations((*location, key), child)
    elif location[-1] == "skip":
        yield (*location, "fusion", "type")
    elif location[-1] in SLOT_BY_KEY and not isinstance(node.value, list):
        yield (*location, "type")
        number = SLOTS[SLOT_BY_KEY[location[-1]]].numeric_shorthand
        if number and type(node.value) in (int, float):
            yield (*location, number[1])
    else:
        yield location
