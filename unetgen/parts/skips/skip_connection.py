"""Where a skip meets the decoder: tapped, made to fit, transformed, fused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from unetgen.config.spec import Skip
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Align, Features, Fusion, Gate, Transform, Upsample


def tap_encoder(g: Builder, features: Features, level: int, skip: Skip) -> Value:
    """The map that a skip takes from the encoder."""
    if skip.tap == "after_block":
        return features.maps[level]
    value = features.lower[level]
    if value is None:
        message = "there is no map behind a downsampling that the next block does"
        g.refuse(skip.fusion, "tap", message, "tap after_block at the next level, or use downsample: conv")
        return features.maps[level]
    return value


def connect_skip(
    g: Builder,
    below: Value,
    skips: Sequence[Value],
    skip: Skip,
    upsample: Upsample,
    side_and_level: tuple[str, int],
    width: int,
) -> Value:
    """The map from below, upsampled and fused with the skips of its level, in the order that the skip says."""
    if skip.gate.type != "none" and not skip.is_dropped:
        with g.at(*side_and_level, "skip"), g.scope("gate", label=type(skip.gate).__name__):
            below = cast(Gate, skip.gate).emit(g, below, skips[-1])
    if skip.place == "before_upsample":
        with g.at(*side_and_level, "skip"), g.scope("skip", label="Skip"):
            x = _fuse(g, below, below, skips, skip)
        with g.at(*side_and_level, "upsample"), g.scope("up", label=type(upsample).__name__):
            return upsample.emit(g, x, width)
    with g.at(*side_and_level, "upsample"), g.scope("up", label=type(upsample).__name__):
        x = upsample.emit(g, below, width)
    with g.at(*side_and_level, "skip"), g.scope("skip", label="Skip"):
        return _fuse(g, x, below, skips, skip)


def _fuse(g: Builder, x: Value, below: Value, skips: Sequence[Value], skip: Skip) -> Value:
    if skip.is_dropped:
        return x
    if len(skips) == 1:
        x, fitting = _align_and_transform(g, x, below, skips[0], skip)
        return cast(Fusion, skip.fusion).emit(g, x, fitting)
    fit = []
    for number, value in enumerate(skips):
        with g.scope(f"from{number}"):
            x, fitting = _align_and_transform(g, x, below, value, skip)
        fit.append(fitting)
    return cast(Fusion, skip.fusion).emit_all(g, x, fit)


def _align_and_transform(g: Builder, x: Value, below: Value, value: Value, skip: Skip) -> tuple[Value, Value]:
    x, value = cast(Align, skip.align).emit(g, x, value)
    return x, cast(Transform, skip.transform).emit(g, value, x, below)
