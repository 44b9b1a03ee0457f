"""Find the settings in which resolved specs differ, at the coarsest granularity that describes all of them.

A setting that is uniform in each network is one entry (``block.norm``), one that is uniform on each side is one entry
per side (``decoder.block.norm``), any other is one entry per level (``encoder.2.block.norm``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unetgen.config.registry.slots import SLOT_BY_KEY
from unetgen.config.spec import Spec

# A side and a level; the values of a setting by location; all settings of a spec by path.
SettingLocation = tuple[str, int]
ValuesByLocation = Mapping[SettingLocation, str]
FlatSettings = Mapping[str, ValuesByLocation]

# The location of settings that belong to neither side.
_WHOLE_NETWORK = ("", 0)


def flatten_settings(spec: Spec) -> FlatSettings:
    """Return every setting of a spec by path and location, with values formatted as text."""
    settings: dict[str, dict[SettingLocation, str]] = {}
    for path, value in _iter_network_settings(spec):
        settings.setdefault(path, {})[_WHOLE_NETWORK] = value
    described: dict[int, list[tuple[str, str]]] = {}
    for (side, level, slot), part in spec.places():
        # Levels share most of their parts.
        if id(part) not in described:
            described[id(part)] = list(_iter_flattened(slot, part.describe(spec.names)))
        for path, value in described[id(part)]:
            settings.setdefault(path, {})[side, level] = value
    return settings


def find_differing_settings(settings: Sequence[FlatSettings]) -> dict[str, list[str | None]]:
    """Find the settings in which specs differ.

    For parts of different types the result has their types and the parts inside them. It has other options only if
    they differ between parts of the same type.

    Args:
        settings: The settings of each spec.

    Returns:
        Each differing setting with its value in each spec; None for a spec without that setting.
    """
    columns: dict[str, list[str | None]] = {}
    for path in dict.fromkeys(path for flat in settings for path in flat):
        for name, locations in _choose_granularity(path, [flat.get(path, {}) for flat in settings]).items():
            pairs = list(zip(settings, locations, strict=True))
            values = [flat[path][location] if location else None for flat, location in pairs]
            types = [_find_enclosing_types(path, location, flat) for flat, location in pairs]
            if _is_informative(path, values, types):
                columns[name] = values
    return columns


def _choose_granularity(
    path: str, values_by_spec: Sequence[ValuesByLocation]
) -> dict[str, list[SettingLocation | None]]:
    """Return the columns that a setting needs, each with the location of its value in each spec."""
    if all(len(set(values.values())) <= 1 for values in values_by_spec):
        return {path: [next(iter(values), None) for values in values_by_spec]}
    sides = list(dict.fromkeys(side for values in values_by_spec for side, _ in values))
    by_side = {side: [[place for place in values if place[0] == side] for values in values_by_spec] for side in sides}
    pairs = [
        (values, places)
        for places_by_spec in by_side.values()
        for values, places in zip(values_by_spec, places_by_spec, strict=True)
    ]
    if all(len({values[place] for place in places}) <= 1 for values, places in pairs):
        return {
            f"{side}.{path}": [places[0] if places else None for places in places_by_spec]
            for side, places_by_spec in by_side.items()
        }
    locations = dict.fromkeys(location for values in values_by_spec for location in values)
    return {
        f"{_format_location(location)}.{path}": [location if location in values else None for values in values_by_spec]
        for location in locations
    }


def _find_enclosing_types(
    path: str, location: SettingLocation | None, settings: FlatSettings
) -> tuple[str | None, ...]:
    """Return the types of the parts that contain a setting, from the outermost in."""
    steps = path.split(".")
    parents = [".".join(steps[:number]) for number in range(1, len(steps))]
    return tuple(settings.get(parent, {}).get(location) if location else None for parent in parents)


def _is_informative(path: str, values: Sequence[str | None], types: Sequence[tuple[str | None, ...]]) -> bool:
    """Return whether values differ: a part's type between any specs, an option within parts of the same types."""
    is_part = path.rpartition(".")[2] in SLOT_BY_KEY
    values_by_types: dict[tuple[str | None, ...], set[str]] = {}
    for value, enclosing in zip(values, types, strict=True):
        if value is not None:
            values_by_types.setdefault(() if is_part else enclosing, set()).add(value)
    return any(len(distinct) > 1 for distinct in values_by_types.values())


def _format_location(location: SettingLocation) -> str:
    side, level = location
    return side if side == "bottleneck" else f"{side}.{level}"


def _iter_network_settings(spec: Spec) -> Iterator[tuple[str, str]]:
    """Yield the settings that exist once per network."""
    yield from (("dims", str(spec.dims)), ("in_channels", str(spec.in_channels)))
    yield from (("out_channels", str(spec.out_channels)), ("depth", str(spec.depth)))
    decoder = tuple(level.width for level in spec.decoder_levels)
    mirrored = spec.widths is not None and decoder == spec.widths[:-1]
    yield "widths", _format_value(list(spec.widths)) if spec.widths else "the encoder's own"
    yield "decoder.widths", "mirrored" if mirrored else _format_value(list(decoder))
    for name, part in (
        ("encoder", spec.encoder),
        ("decoder", spec.decoder),
        ("init", spec.init),
        ("input", spec.input),
    ):
        yield from _iter_flattened(name, part.describe(spec.names))
    for head in spec.heads:
        yield from _iter_flattened(f"heads.{head.name}" if head.name else "head", head.part.describe(spec.names))
    for name, value in (("checkpointing", spec.checkpointing), ("model_built", spec.model_built)):
        yield name, _format_value(list(value))


def _iter_flattened(path: str, described: Any) -> Iterator[tuple[str, str]]:
    """Yield the paths and values of a described part or skip; the type is the value of its own path."""
    if not isinstance(described, Mapping):
        yield path if path != "skip" else "skip.fusion", _format_value(described)
        return
    for key, value in described.items():
        yield from _iter_flattened(path if key == "type" else f"{path}.{key}", value)


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_format_value, value))}]"
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
