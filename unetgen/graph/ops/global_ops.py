"""Ops that pool over a whole feature map, or apply a pooled map to it: components of attention and pyramids.

They connect all pixels, so receptive fields ignore them, as they ignore instance and group norms; reports name them
next to the receptive field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from unetgen.graph.ops.base import Call, Op, Parameter, SavedForBackward, Size
from unetgen.graph.size_rule import Rule, S, SizeArithmetic

Statistic = Literal["mean", "max"]


@dataclass(frozen=True, slots=True)
class GlobalPooling(Op):
    """(c, *size) -> (c, 1, ...): one value for each channel."""

    statistic: Statistic

    kind: ClassVar[str] = "global_pool"
    is_global: ClassVar[bool] = True

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.apply(sizes[0], Rule(factor=0, plus=1), self.kind)

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input" if self.statistic == "max" else ""

    def to_layer_call(self) -> Call:
        return Call("gating_layers.GlobalPool", {"statistic": self.statistic})


@dataclass(frozen=True, slots=True)
class AdaptiveAvgPooling(Op):
    """(c, *size) -> (c, *bins): the means over a fixed number of bins along each axis."""

    bins: Size

    kind: ClassVar[str] = "bin_pool"
    is_global: ClassVar[bool] = True

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.apply(sizes[0], Rule(factor=0, plus=self.bins[axis], minimum=self.bins[axis]), self.kind)

    def to_layer_call(self) -> Call:
        return Call(f"nn.AdaptiveAvgPool{len(self.bins)}d", {"output_size": self.bins})

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"


@dataclass(frozen=True, slots=True)
class ChannelPooling(Op):
    """(c, *size) -> (1, *size): one value for each pixel."""

    statistic: Statistic

    kind: ClassVar[str] = "channel_pool"

    def out_channels(self, channels: Sequence[int]) -> int:
        return 1

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input" if self.statistic == "max" else ""

    def to_layer_call(self) -> Call:
        return Call("gating_layers.ChannelPool", {"statistic": self.statistic})


@dataclass(frozen=True, slots=True)
class BroadcastMultiply(Op):
    """The product of a feature map with a gate: (c, 1, ...) for channels, or (1, *size) for pixels."""

    by: Literal["channels", "pixels"]

    kind: ClassVar[str] = "scale"

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.require_equal(sizes, self.kind) if self.by == "pixels" else sizes[0]

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "inputs"

    def to_layer_call(self) -> Call:
        return Call("layers.Multiply")


@dataclass(frozen=True, slots=True)
class ChannelConvolution(Op):
    """A convolution along the channels of a pooled feature map (ECA, Wang et al. 2020)."""

    channels: int
    kernel: int

    kind: ClassVar[str] = "channel_conv"

    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("weight", (1, 1, self.kernel), "kernel", self.kernel),)

    def macs(self, inputs: Size, outputs: Size) -> int:
        return self.channels * self.kernel

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"

    def to_layer_call(self) -> Call:
        return Call("gating_layers.ChannelConv", {"kernel_size": self.kernel})


@dataclass(frozen=True, slots=True)
class ChannelScaling(Op):
    """A learned factor for each channel (LayerScale, Touvron et al. 2021)."""

    channels: int
    start: float

    kind: ClassVar[str] = "channel_scale"

    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("weight", (self.channels,), "slope", start=self.start),)

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"

    def to_layer_call(self) -> Call:
        return Call("gating_layers.ChannelScale", {"channels": self.channels, "start": self.start})


@dataclass(frozen=True, slots=True)
class Flatten(Op):
    """(c, 1, ...) -> (c,): removes the spatial axes, in classification heads."""

    kind: ClassVar[str] = "flatten"
    may_alias_input: ClassVar[bool] = True
    has_no_spatial_axes: ClassVar[bool] = True

    def to_layer_call(self) -> Call:
        return Call("nn.Flatten")


@dataclass(frozen=True, slots=True)
class ChannelGate(Op):
    """(c, *size) -> (c / 2, *size): the first half of the channels times the second (NAFNet, Chen et al. 2022)."""

    channels: int

    kind: ClassVar[str] = "halve"

    def out_channels(self, channels: Sequence[int]) -> int:
        return channels[0] // 2

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"

    def to_layer_call(self) -> Call:
        return Call("gating_layers.SimpleGate")
