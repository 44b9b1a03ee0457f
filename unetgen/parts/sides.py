"""Encoders, decoders and heads: how the levels are strung together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, cast

from unetgen.config.choice import In
from unetgen.config.part import Inert, Kernel
from unetgen.config.spec import DecoderLevel, EncoderLevel, Skip
from unetgen.graph.builder import Builder, Value
from unetgen.graph.kinds import Activation, Align, Block, Decoder, Downsample, Encoder, Fusion, Head, Upsample
from unetgen.parts.activations import NoActivation
from unetgen.parts.unit import Padding


class PlainEncoder(Encoder):
    """A block on each level, then its downsampling; the skip is tapped between the two."""

    type: ClassVar[str] = "plain"

    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel]) -> tuple[list[Value], Value]:
        features = []
        for index, level in enumerate(levels):
            block, downsample = cast(Block, level.block), cast(Downsample, level.downsample)
            with g.scope(str(index), label=type(block).__name__):
                with g.at("encoder", index, "block"):
                    x = block.emit(g, x, level.width)
                features.append(x)
                with g.at("encoder", index, "downsample"), g.scope("down", label=type(downsample).__name__):
                    x = downsample.emit(g, x)
        return features, x


class PlainDecoder(Decoder):
    """On each level the map from below is upsampled, joined by the skip, and run through the block."""

    type: ClassVar[str] = "plain"

    def emit(self, g: Builder, x: Value, features: Sequence[Value], levels: Sequence[DecoderLevel]) -> Value:
        for index in reversed(range(len(levels))):
            level = levels[index]
            block, upsample = cast(Block, level.block), cast(Upsample, level.upsample)
            with g.scope(str(index), label=type(block).__name__):
                with g.at("decoder", index, "upsample"), g.scope("up", label=type(upsample).__name__):
                    x = upsample.emit(g, x, level.width)
                with g.at("decoder", index, "skip"), g.scope("skip", label="Skip"):
                    x = _joined(g, x, features[index], level.skip)
                with g.at("decoder", index, "block"):
                    x = block.emit(g, x, level.width)
        return x


def _joined(g: Builder, upsampled: Value, feature: Value, skip: Skip) -> Value:
    if skip.dropped:
        return upsampled
    upsampled, feature = cast(Align, skip.align).emit(g, upsampled, feature)
    return cast(Fusion, skip.fusion).emit(g, upsampled, feature)


class ConvHead(Head):
    """One convolution to the classes; 1x1 in the paper."""

    type: ClassVar[str] = "conv"

    kernel_size: Kernel = 1
    padding: Padding = "valid"
    bias: bool = True
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        return [Inert("padding", "kernel_size", "a kernel of 1 has no border")] if self.kernel_size == 1 else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = g.conv(x, channels, self.kernel_size, name="conv", padding=self.padding, bias=self.bias)
        return self.activation.emit(g, x, "activation")
