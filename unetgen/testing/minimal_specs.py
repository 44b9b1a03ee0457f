"""Minimal specs: the smallest network in which a part of each slot has an effect; it accepts every size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SpecData = dict[str, Any]

_CONV = {"type": "conv", "padding": "zeros"}

_BASE: SpecData = {
    "schema_version": 1,
    "in_channels": 2,
    "out_channels": 3,
    "widths": [8, 16],
    "block": _CONV,
    "downsample": {"type": "max_pool", "rounding": "floor"},
    "skip": {"align": "resize"},
}


def build_minimal_spec(slot: str, part: Mapping[str, Any], dims: int) -> SpecData:
    """Return the spec of a small network with a part in its slot.

    Args:
        slot: The part's slot.
        part: The part as in a spec, with ``type`` and options.
        dims: The number of spatial dimensions.

    Returns:
        The spec as plain data.
    """
    settings = _SLOT_WRAPPERS[slot](dict(part)) if slot in _SLOT_WRAPPERS else {slot: dict(part)}
    return {**_BASE, "dims": dims, **settings}


def build_strided_spec(part: Mapping[str, Any], dims: int) -> SpecData:
    """Return the spec of a small network in which the block ``part`` changes the resolution itself."""
    return {**build_minimal_spec("block", part, dims), "downsample": {"type": "next_block", "rounding": "floor"}}


def _wrap_in_skip(key: str) -> Callable[[SpecData], SpecData]:
    return lambda part: {"skip": {"align": "resize", key: part} if key != "align" else {key: part}}


def _wrap_in_block(key: str) -> Callable[[SpecData], SpecData]:
    return lambda part: {"block": {**_CONV, key: part}}


_SLOT_WRAPPERS: dict[str, Callable[[SpecData], SpecData]] = {
    **{key: _wrap_in_skip(key) for key in ("align", "gate", "transform", "fusion")},
    **{key: _wrap_in_block(key) for key in ("norm", "activation", "dropout")},
    "attention": lambda part: {"block": {"type": "attended", "block": _CONV, "attention": part}},
    "shortcut": lambda part: {"block": {"type": "residual", "padding": "zeros", "norm": "batch", "shortcut": part}},
    "head": lambda part: {"heads": {"main": "conv", "part": part}},
    "decoder": lambda part: {"widths": [8, 12, 16], "decoder": part, "downsample": "max_pool"},
    "input": lambda part: {"input": part, "downsample": "max_pool"},
}
