"""Find what a variant changes beyond its settings: another ``type`` resets options that both parts have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unetgen.ablation.sweeps.axis import Combination
from unetgen.ablation.sweeps.settings_diff import FlatSettings, find_differing_settings
from unetgen.config.key_path import KeyPath
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES


@dataclass(frozen=True, slots=True)
class Confounder:
    """A part that a variant sets, and the options of the base that its type resets."""

    part: str
    """The part's path and type: ``block=residual``."""
    resets: Mapping[str, tuple[str, str]]
    """Each option that both parts have, with its value in the base and in the variant."""

    def __str__(self) -> str:
        changes = ", ".join(f"{path} ({old} to {new})" for path, (old, new) in self.resets.items())
        return f"{self.part} also resets {changes}; set them in the axis too to change the type only"


def find_confounders(base: FlatSettings, variant: FlatSettings, combination: Combination) -> tuple[Confounder, ...]:
    """Return what a combination of choices changes without saying so.

    Args:
        base: The base's settings.
        variant: The variant's settings.
        combination: The choices of the variant, with their axes.

    Returns:
        One confounder for each part whose type resets options that the base sets.
    """
    leaves = {
        _strip_place(leaf)
        for _, choice in combination
        for setting in choice.settings
        for leaf in setting.iter_leaf_locations()
    }
    parts = {leaf[:-1] for leaf in leaves if leaf[-1] == "type"}
    if not parts:
        return ()
    columns = {
        column: (old, new)
        for column, (old, new) in find_differing_settings([base, variant]).items()
        if old is not None and new is not None
    }
    steps = {column: _strip_place(tuple(column.split("."))) for column in columns}
    confounders = []
    for column, part in steps.items():
        resets = {
            other: columns[other]
            for other, path in steps.items()
            if part in parts
            and len(path) > len(part)
            and path[: len(part)] == part
            # The innermost part that the variant sets resets an option.
            and not any(len(inner) > len(part) and path[: len(inner)] == inner for inner in parts)
            and not leaves & {path, (*path, "type")}
            and _is_same_place(column, part, other, path)
            and _is_set(base, path)
        }
        if resets:
            confounders.append(Confounder(f"{column}={columns[column][1]}", resets))
    return tuple(confounders)


def _strip_place(location: Sequence[str]) -> KeyPath:
    """Return a location without its side and level: ``block.norm`` for ``levels.1.encoder.block.norm``."""
    steps = tuple(map(str, location))
    if steps[0] == "levels":
        steps = steps[2:]
    if len(steps) > 2 and steps[0] in SIDES and steps[1].isdigit():
        steps = (steps[0], *steps[2:])
    return steps[1:] if len(steps) > 1 and steps[0] in SIDES and steps[1] in LEVEL_KEYS else steps


def _is_same_place(column: str, part: KeyPath, other: str, path: KeyPath) -> bool:
    """Return whether two columns belong to the same side and level, as far as both name one."""
    place, other_place = (name.removesuffix(".".join(steps)) for name, steps in ((column, part), (other, path)))
    return place.startswith(other_place) or other_place.startswith(place)


def _is_set(base: FlatSettings, path: KeyPath) -> bool:
    """Return whether the base has a value other than the default of its part's type."""
    return any(not value.is_default for value in base.get(".".join(path), {}).values())
