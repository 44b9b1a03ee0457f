"""Attentions: gates that a feature map computes for itself, per channel, per pixel or both."""

from __future__ import annotations

from math import log2
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Count
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.global_ops import Statistic
from unetgen.graph.part_types import Activation, Attention
from unetgen.parts.layers.activations import Relu, Sigmoid


def _require_odd(number: int) -> int:
    if number % 2 == 0:
        raise PydanticCustomError("odd", "{what}", {"what": f"{number} is even", "hint": "write an odd number"})
    return number


# An even kernel has no central element.
Odd = Annotated[int, Field(ge=1, le=255, json_schema_extra={"not": {"multipleOf": 2}}), AfterValidator(_require_odd)]


class NoAttention(Attention):
    """No attention."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value) -> Value:
        return x


class _SqueezeExciteBase(Attention):
    """Computes channel gates from pooled channels with two 1x1 convolutions."""

    reduction: Count = 16
    """The factor by which channels are reduced between the two convolutions (to at least one)."""

    bias: bool = True
    activation: Annotated[Activation, In("activation")] = Relu()

    def emit_gate_logits(self, g: Builder, x: Value, statistic: Statistic = "mean") -> Value:
        """Emit the gate before its sigmoid, ``(batch, c, *size)`` -> ``(batch, c, 1, ...)``."""
        gate = g.global_pool(x, statistic)
        mid_channels = max(x.channels // self.reduction, 1)
        gate = g.conv(gate, mid_channels, 1, name="squeeze", bias=self.bias)
        gate = self.activation.emit(g, gate, "activation")
        return g.conv(gate, x.channels, 1, name="excite", bias=self.bias)


class SqueezeExcite(_SqueezeExciteBase):
    """Squeeze-and-excitation: channel gates from the means of all channels (Hu et al. 2018)."""

    type: ClassVar[str] = "se"

    hard: bool = False
    """Whether to use the hard sigmoid, as MobileNetV3 does."""

    def emit(self, g: Builder, x: Value) -> Value:
        with g.scope("se", label="SqueezeExcite"):
            layer = "nn.Hardsigmoid" if self.hard else "nn.Sigmoid"
            gate = g.activation(self.emit_gate_logits(g, x), layer, {}, name="gate")
            return g.scale(x, gate, "channels")


class SpatialSqueezeExcite(Attention):
    """Spatial squeeze-and-excitation: pixel gates from a 1x1 convolution (Roy et al. 2018)."""

    type: ClassVar[str] = "spatial_se"

    bias: bool = True

    def emit(self, g: Builder, x: Value) -> Value:
        with g.scope("sse", label="SpatialSqueezeExcite"):
            gate = Sigmoid().emit(g, g.conv(x, 1, 1, name="conv", bias=self.bias), "gate")
            return g.scale(x, gate, "pixels")


class ConcurrentSqueezeExcite(_SqueezeExciteBase):
    """Concurrent spatial and channel squeeze-and-excitation (scSE), joined by sum or maximum (Roy et al. 2018)."""

    type: ClassVar[str] = "scse"

    join: Literal["sum", "max"] = "sum"

    def emit(self, g: Builder, x: Value) -> Value:
        with g.scope("scse", label="ConcurrentSqueezeExcite"):
            with g.scope("channel"):
                channel = g.scale(x, Sigmoid().emit(g, self.emit_gate_logits(g, x), "gate"), "channels")
            with g.scope("spatial"):
                gate = Sigmoid().emit(g, g.conv(x, 1, 1, name="conv", bias=self.bias), "gate")
                pixel = g.scale(x, gate, "pixels")
            return g.add(channel, pixel) if self.join == "sum" else g.maximum(channel, pixel)


class Cbam(_SqueezeExciteBase):
    """Channel gates from means and maxima, then pixel gates: CBAM (Woo et al. 2018)."""

    type: ClassVar[str] = "cbam"

    bias: bool = False
    kernel_size: Odd = 7
    """The kernel size of the convolution over the channel mean and maximum of each pixel."""

    def emit(self, g: Builder, x: Value) -> Value:
        with g.scope("cbam", label="Cbam"):
            with g.scope("mean"):
                mean_logits = self.emit_gate_logits(g, x)
            with g.scope("max", like="mean"):
                max_logits = self.emit_gate_logits(g, x, "max")
            channel_gate = Sigmoid().emit(g, g.add(mean_logits, max_logits), "channel_gate")
            x = g.scale(x, channel_gate, "channels", name="channels")
            pooled = g.concat(g.channel_pool(x, "mean", name="mean_of"), g.channel_pool(x, "max", name="max_of"))
            gate = g.conv(pooled, 1, self.kernel_size, name="conv", padding="zeros", bias=False)
            return g.scale(x, Sigmoid().emit(g, gate, "pixel_gate"), "pixels")


class EfficientChannelAttention(Attention):
    """Efficient channel attention: channel gates from a convolution along the channel means (Wang et al. 2020)."""

    type: ClassVar[str] = "eca"

    kernel_size: Annotated[Literal["adaptive"] | Odd, Field(union_mode="left_to_right")] = "adaptive"
    """The kernel size along the channels; ``adaptive``: floor(log2(channels) / 2 + 1 / 2), plus 1 if even."""

    def emit(self, g: Builder, x: Value) -> Value:
        kernel = self.kernel_size if isinstance(self.kernel_size, int) else _adaptive_kernel_size(x.channels)
        with g.scope("eca", label="EfficientChannelAttention"):
            gate = g.channel_conv(g.global_pool(x), kernel)
            return g.scale(x, Sigmoid().emit(g, gate, "gate"), "channels")


def _adaptive_kernel_size(channels: int) -> int:
    size = int(abs(log2(channels) / 2 + 0.5))
    return size if size % 2 else size + 1
