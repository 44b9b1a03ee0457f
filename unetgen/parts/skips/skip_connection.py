"""Skip connections: tap the encoder, then align, transform and fuse the skip in the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from unetgen.config.spec import Skip
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Align, Features, Fusion, Gate, Transform, Upsample


def tap_encoder(g: Builder, features: Features, level: int, skip: Skip) -> Value:
    """Return the encoder's feature map that a skip reads.

    Args:
        g: The builder, which gets a problem if the skip reads a downsampling that the next block does.
        features: The encoder's feature maps.
        level: The level, 0 for the finest.
        skip: The skip's options.

    Returns:
        The feature map, ``(batch, c, *size)``.
    """
    if skip.tap == "after_block":
        return features.maps[level]
    downsampled = features.lower[level]
    if downsampled is None:
        message = "no feature map follows a downsampling by the next block"
        g.refuse(skip.fusion, "tap", message, "tap after_block at the next level, or use downsample: conv")
        return features.maps[level]
    return downsampled


def connect_skip(
    g: Builder,
    below: Value,
    skips: Sequence[Value],
    skip: Skip,
    upsample: Upsample,
    side_and_level: tuple[str, int],
    width: int,
) -> Value:
    """Emit a skip connection: gate and upsample the feature map from below, and fuse it with the skips.

    Args:
        g: The builder.
        below: The feature map from below, ``(batch, c, *size)``.
        skips: The skips of the level, one or several, at the level's size.
        skip: The options of the skip.
        upsample: The upsampling.
        side_and_level: Where problems are reported, such as ``("decoder", 0)``.
        width: The level's width.

    Returns:
        The fused feature map at the level's size.
    """
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
        x, transformed = _align_and_transform(g, x, below, skips[0], skip)
        return cast(Fusion, skip.fusion).emit(g, x, transformed)
    transformed_skips = []
    for number, value in enumerate(skips):
        with g.scope(f"from{number}"):
            x, transformed = _align_and_transform(g, x, below, value, skip)
        transformed_skips.append(transformed)
    return cast(Fusion, skip.fusion).emit_all(g, x, transformed_skips)


def _align_and_transform(g: Builder, x: Value, below: Value, value: Value, skip: Skip) -> tuple[Value, Value]:
    x, value = cast(Align, skip.align).emit(g, x, value)
    return x, cast(Transform, skip.transform).emit(g, value, x, below)
