"""Define a sweep's axes, their choices, and the overlay of a combination of choices."""

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
    """A value at a path of the spec."""

    path: str
    location: KeyPath
    value: YamlNode

    @cached_property
    def assignment(self) -> str:
        """The setting as text: ``skip.fusion=add``."""
        return f"{self.path}={slugify(self.value.to_data())}"

    @cached_property
    def overlay(self) -> YamlNode:
        """The partial spec that holds only this setting."""
        return nest_at(self.location, self.value)

    @cached_property
    def overlay_at_base_precedence(self) -> YamlNode:
        """The overlay of a setting that equals the base's value, ranked as low as the base itself.

        A setting of the base gives way to a default if another setting makes it inert, and so does this overlay.
        A depth and widths determine each other, so they always keep the rank of an explicit setting.
        """
        is_depth_or_widths = self.location[0] == "depth" or "widths" in self.location
        return self.overlay if is_depth_or_widths else raise_precedence(self.overlay, -1)

    def iter_leaf_locations(self) -> Iterator[KeyPath]:
        """Yield every location that the value sets, in full form: ``skip: none`` sets ``skip.fusion.type``."""
        yield from _iter_leaf_locations(self.location, self.value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of an axis: its settings, and the axes that exist only under it."""

    label: str
    settings: tuple[Setting, ...]
    nested_axes: tuple[Axis, ...] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """Alternative choices; each variant takes one of them.

    With ``has_labels`` the choices have labels written in the sweep file. With ``is_variant_list`` the axis is the
    list of variants of mode ``list``, and the only axis of its sweep.
    """

    name: str
    choices: tuple[Choice, ...]
    has_labels: bool = False
    is_variant_list: bool = False

    @property
    def leaf_locations(self) -> set[KeyPath]:
        """Every location that at least one of the choices sets, including nested axes."""
        own = {leaf for choice in self.choices for setting in choice.settings for leaf in setting.iter_leaf_locations()}
        return own.union(*(axis.leaf_locations for choice in self.choices for axis in choice.nested_axes))


# The choice that a variant takes from each axis that applies to it.
Combination = tuple[tuple[Axis, Choice], ...]


def find_conflicting_locations(
    locations: Iterable[KeyPath], taken: Iterable[KeyPath]
) -> tuple[KeyPath, KeyPath] | None:
    """Return the first location that equals, contains or is inside a taken one, and that one.

    Returns:
        The pair ``(location, taken location)``, or None if no location is set twice.
    """
    return next(((new, old) for new in locations for old in taken if new[: len(old)] == old[: len(new)]), None)


def describe_choice(axis: Axis, choice: Choice) -> str:
    """Return a choice's settings as text, with its label if the axis has labels."""
    settings = ", ".join(setting.assignment for setting in choice.settings)
    return f"{axis.name} {choice.label} ({settings})" if axis.has_labels else settings


def build_overlay(combination: Combination, equals_base: Callable[[Choice], bool] = lambda choice: False) -> YamlNode:
    """Return the overlay of all choices of a combination.

    Settings are merged from the outermost path to the innermost, so the order of the axes does not matter.

    Args:
        combination: The choices, with their axes.
        equals_base: Returns whether a choice only repeats the base's settings; those get the base's precedence.

    Returns:
        The partial spec to merge onto the base.
    """
    settings = [(setting, choice) for _, choice in combination for setting in choice.settings]
    settings.sort(key=lambda pair: (len(pair[0].location), pair[0].path))
    return combine_overlays(
        setting.overlay_at_base_precedence if equals_base(choice) else setting.overlay for setting, choice in settings
    )


def slugify(value: object) -> str:
    """Format a value with characters that are safe in shells and file names.

    Examples are ``interpolate+mode=linear`` for a part and ``16-32`` for a list.
    """
    if isinstance(value, Mapping):
        options = [f"{key}={slugify(item)}" for key, item in value.items() if key != "type"]
        return "+".join([*([slugify(value["type"])] if "type" in value else []), *options])
    if isinstance(value, list):
        return "-".join(map(slugify, value))
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in text)


def _iter_leaf_locations(location: KeyPath, node: YamlNode) -> Iterator[KeyPath]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _iter_leaf_locations((*location, key), child)
    elif location[-1] == "skip":
        yield (*location, "fusion", "type")
    elif location[-1] in SLOT_BY_KEY and not isinstance(node.value, list):
        yield (*location, "type")
        shorthand = SLOTS[SLOT_BY_KEY[location[-1]]].numeric_shorthand
        if shorthand and type(node.value) in (int, float):
            yield (*location, shorthand[1])
    else:
        yield location
