"""What differs between resolved specs: each setting told as coarsely as all of them allow.

A setting that is the same in a whole network is told once (``block.norm``), one that only the sides differ in for each
side (``decoder.block.norm``), any other for each level (``encoder.2.block.norm``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unetgen.config.registry.slots import SLOT_BY_KEY
from unetgen.config.spec import Spec

# A side and a level; the values of one setting there; all settings of a spec by their paths.
SettingLocation = tuple[str, int]
ValuesByLocation = Mapping[SettingLocation, str]
FlatSettings = Mapping[str, ValuesByLocation]

# Where something stands that belongs to no side.
_WHOLE_NETWORK = ("", 0)


def flatten_settings(spec: Spec) -> FlatSettings:
    """Every setting of a spec, place by place, values as people write them."""
    leaves: dict[str, dict[SettingLocation, str]] = {}
    for path, value in _iter_network_settings(spec):
        leaves.setdefault(path, {})[_WHOLE_NETWORK] = value
    described: dict[int, list[tuple[str, str]]] = {}
    for (side, level, slot), part in spec.places():
        # Levels share most of their parts.
        if id(part) not in described:
            described[id(part)] = list(_iter_flattened(slot, part.describe(spec.names)))
        for path, value in described[id(part)]:
            leaves.setdefault(path, {})[side, level] = value
    return leaves


def find_differing_settings(settings: Sequence[FlatSettings]) -> dict[str, list[str | None]]:
    """The settings in which specs differ, and what each of them says; None where one has no such setting.

    Where parts are of different types their types are told, and the parts in them; their other options only where they
    differ between parts of one type.
    """
    columns: dict[str, list[str | None]] = {}
    for path in dict.fromkeys(path for leaves in settings for path in leaves):
        for name, places in _choose_granularity(path, [leaves.get(path, {}) for leaves in settings]).items():
            values = [leaves[path][place] if place else None for leaves, place in zip(settings, places, strict=True)]
            types = [_find_enclosing_types(path, place, leaves) for leaves, place in zip(settings, places, strict=True)]
            if _is_informative(path, values, types):
                columns[name] = values
    return columns


def _choose_granularity(
    path: str, values_by_spec: Sequence[ValuesByLocation]
) -> dict[str, list[SettingLocation | None]]:
    """The columns that a setting needs, and where each spec says what stands in it."""
    if all(len(set(values.values())) <= 1 for values in values_by_spec):
        return {path: [next(iter(values), None) for values in values_by_spec]}
    sides = list(dict.fromkeys(side for values in values_by_spec for side, _ in values))
    by_side = {side: [[spot for spot in values if spot[0] == side] for values in values_by_spec] for side in sides}
    pairs = [(values, spots) for found in by_side.values() for values, spots in zip(values_by_spec, found, strict=True)]
    if all(len({values[spot] for spot in spots}) <= 1 for values, spots in pairs):
        return {f"{side}.{path}": [spots[0] if spots else None for spots in found] for side, found in by_side.items()}
    every = dict.fromkeys(spot for values in values_by_spec for spot in values)
    return {
        f"{_format_location(spot)}.{path}": [spot if spot in values else None for values in values_by_spec]
        for spot in every
    }


def _find_enclosing_types(
    path: str, location: SettingLocation | None, settings: FlatSettings
) -> tuple[str | None, ...]:
    """The types of the parts that a setting stands in."""
    steps = path.split(".")
    above = [".".join(steps[:number]) for number in range(1, len(steps))]
    return tuple(settings.get(part, {}).get(location) if location else None for part in above)


def _is_informative(path: str, values: Sequence[str | None], types: Sequence[tuple[str | None, ...]]) -> bool:
    said: dict[tuple[str | None, ...], set[str]] = {}
    for value, kind in zip(values, types, strict=True):
        if value is not None:
            said.setdefault(() if path.rpartition(".")[2] in SLOT_BY_KEY else kind, set()).add(value)
    return any(len(found) > 1 for found in said.values())


def _format_location(location: SettingLocation) -> str:
    side, level = location
    return side if side == "bottleneck" else f"{side}.{level}"


def _iter_network_settings(spec: Spec) -> Iterator[tuple[str, str]]:
    """What is said once for a network."""
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
    """A described part or skip as paths and values; its type is told under its own path."""
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
