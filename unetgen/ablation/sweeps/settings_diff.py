"""Find the settings in which resolved specs differ, at the coarsest granularity that describes all of them.

A setting that is uniform in each network is one entry (``block.norm``), one that is uniform on each side is one entry
per side (``decoder.block.norm``), any other is one entry per level (``encoder.2.block.norm``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from unetgen.config.registry.part import Part, QualifiedNames, get_option_defaults
from unetgen.config.registry.slots import LEVEL_KEYS, SKIP_KEYS, SLOTS
from unetgen.config.spec import Skip, Spec


class FormattedSetting(NamedTuple):
    """The value of a setting."""

    text: str
    is_default: bool = False
    """Whether the type of the enclosing part implies the value."""


# A side and a level; the values of a setting by location; all settings of a spec by path.
SettingLocation = tuple[str, int]
FlatSettings = Mapping[str, Mapping[SettingLocation, FormattedSetting]]

# The values of a setting at all locations of its slot; None if the part there does not have it.
ValuesByLocation = Mapping[SettingLocation, FormattedSetting | None]

# The location of settings that belong to neither side.
_WHOLE_NETWORK = ("", 0)


def flatten_settings(spec: Spec) -> FlatSettings:
    """Return every setting of a spec by path and location, with values formatted as text."""
    settings: dict[str, dict[SettingLocation, FormattedSetting]] = {}
    for path, value in _iter_network_settings(spec):
        settings.setdefault(path, {})[_WHOLE_NETWORK] = value
    flattened: dict[int, list[tuple[str, FormattedSetting]]] = {}
    for (side, level, slot), part in spec.places():
        # Levels share most of their parts.
        if id(part) not in flattened:
            flattened[id(part)] = list(_iter_slot_settings(slot, part, spec.names))
        for path, value in flattened[id(part)]:
            settings.setdefault(path, {})[side, level] = value
    return settings


def find_differing_settings(settings: Sequence[FlatSettings]) -> dict[str, list[str | None]]:
    """Find the settings in which specs differ; no other setting can change a graph.

    A setting that one part has and another does not have is listed unless it has the default of the part's type.

    Args:
        settings: The settings of each spec.

    Returns:
        Each differing setting with its value in each spec; None for a spec without that setting.
    """
    columns: dict[str, list[str | None]] = {}
    for path in dict.fromkeys(path for flat in settings for path in flat):
        values_by_spec = [_collect_values(path, flat) for flat in settings]
        for name, locations in _split_into_columns(path, values_by_spec).items():
            pairs = list(zip(values_by_spec, locations, strict=True))
            values = [values[location] if location else None for values, location in pairs]
            # Of settings that differ between levels, those of levels that only some networks have are listed, too.
            is_listed = name != path and None in locations and any(values)
            if is_listed or _differs_or_is_not_implied(values):
                columns[name] = [value and value.text for value in values]
    return columns


def _collect_values(path: str, settings: FlatSettings) -> ValuesByLocation:
    """Return a setting's value at every location that has its slot."""
    slot = path.partition(".")[0]
    values = settings.get(path, {})
    if slot not in LEVEL_KEYS:
        return values or {_WHOLE_NETWORK: None}
    return {location: values.get(location) for location in settings.get("skip.fusion" if slot == "skip" else slot, {})}


def _split_into_columns(
    path: str, values_by_spec: Sequence[ValuesByLocation]
) -> dict[str, list[SettingLocation | None]]:
    """Return the columns that a setting needs, each with the location of its value in each spec."""
    if all(_is_uniform(values.values()) for values in values_by_spec):
        return {path: [next(iter(values), None) for values in values_by_spec]}
    sides = list(dict.fromkeys(side for values in values_by_spec for side, _ in values))
    by_side = {side: [[place for place in values if place[0] == side] for values in values_by_spec] for side in sides}
    pairs = [
        (values, places)
        for places_by_spec in by_side.values()
        for values, places in zip(values_by_spec, places_by_spec, strict=True)
    ]
    if all(_is_uniform(values[place] for place in places) for values, places in pairs):
        return {
            f"{side}.{path}": [places[0] if places else None for places in places_by_spec]
            for side, places_by_spec in by_side.items()
        }
    locations = dict.fromkeys(location for values in values_by_spec for location in values)
    return {
        f"{_format_location(location)}.{path}": [location if location in values else None for values in values_by_spec]
        for location in locations
    }


def _is_uniform(values: Iterable[FormattedSetting | None]) -> bool:
    return len({value and value.text for value in values}) <= 1


def _differs_or_is_not_implied(values: Sequence[FormattedSetting | None]) -> bool:
    """Return whether values differ, or the types of the parts do not imply which parts have one."""
    is_implied = None not in values or all(value is None or value.is_default for value in values)
    return not is_implied or not _is_uniform(value for value in values if value is not None)


def _format_location(location: SettingLocation) -> str:
    side, level = location
    return side if side == "bottleneck" else f"{side}.{level}"


def _iter_network_settings(spec: Spec) -> Iterator[tuple[str, FormattedSetting]]:
    """Yield the settings that exist once per network."""
    decoder = tuple(level.width for level in spec.decoder_levels)
    mirrored = spec.widths is not None and decoder == spec.widths[:-1]
    for name, value in (
        ("dims", spec.dims),
        ("in_channels", spec.in_channels),
        ("out_channels", spec.out_channels),
        ("depth", spec.depth),
        ("widths", list(spec.widths) if spec.widths else "the encoder's own"),
        ("decoder.widths", "mirrored" if mirrored else list(decoder)),
    ):
        yield name, FormattedSetting(_format_value(value))
    for name in ("encoder", "decoder", "init", "input"):
        yield from _iter_part_settings(name, getattr(spec, name), spec.names)
    for head in spec.heads:
        yield from _iter_part_settings(f"heads.{head.name}" if head.name else "head", head.part, spec.names)
    for name, names in (("checkpointing", spec.checkpointing), ("model_built", spec.model_built)):
        yield name, FormattedSetting(_format_value(list(names)))


def _iter_slot_settings(slot: str, part: Part | Skip, names: QualifiedNames) -> Iterator[tuple[str, FormattedSetting]]:
    """Yield the settings of a level's part or skip."""
    if isinstance(part, Part):
        yield from _iter_part_settings(slot, part, names, is_default=part.type == SLOTS[slot].default)
    elif part.is_dropped:
        yield "skip.fusion", FormattedSetting("none")
    else:
        for key in SKIP_KEYS:
            value = getattr(part, key)
            if isinstance(value, Part):
                is_default = value.type == SLOTS[key].default
                yield from _iter_part_settings(f"skip.{key}", value, names, is_default=is_default)
            else:
                yield f"skip.{key}", FormattedSetting(value, value in ("after_block", "after_upsample"))


def _iter_part_settings(
    path: str, part: Part, names: QualifiedNames, default: Any = None, *, is_default: bool = False
) -> Iterator[tuple[str, FormattedSetting]]:
    """Yield the type of a part at its own path, then its options; ``default`` is the part that is implied."""
    yield path, FormattedSetting(names.get(type(part), part.type), is_default)
    described = part.describe(names)
    for name, value in get_option_defaults(type(part)).items():
        option, implied = getattr(part, name), getattr(default, name) if type(default) is type(part) else value
        if isinstance(option, Part):
            is_implied = type(option) is type(implied)
            yield from _iter_part_settings(f"{path}.{name}", option, names, implied, is_default=is_implied)
        elif isinstance(described, Mapping):
            yield f"{path}.{name}", FormattedSetting(_format_value(described[name]), option == implied)


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_format_value, value))}]"
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
