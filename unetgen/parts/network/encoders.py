"""The encoder that is built from the spec's own blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

from unetgen.config.spec import EncoderLevel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Block, Downsample, Encoder, Features, Stride


class PlainEncoder(Encoder):
    """A block on each level, followed by a downsampling or by a strided block on the next level."""

    type: ClassVar[str] = "plain"

    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel], bottom_width: int | None) -> Features:
        maps, downsampled = [], []
        widths = [level.width or x.channels for level in levels] + [bottom_width or x.channels]
        stride = Stride()
        for index, level in enumerate(levels):
            block, downsample = cast(Block, level.block), cast(Downsample, level.downsample)
            with g.scope(str(index), label=type(block).__name__):
                with g.at("encoder", index, "block"):
                    x = block.emit_strided(g, x, widths[index], stride)
                maps.append(x)
                stride = downsample.left_to_block or Stride()
                with g.at("encoder", index, "downsample"), g.scope("down", label=type(downsample).__name__):
                    x = downsample.emit(g, x, widths[index + 1])
                downsampled.append(x if downsample.left_to_block is None else None)
        return Features(maps, downsampled, x, stride)
