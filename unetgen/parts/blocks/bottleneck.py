"""The bottleneck block of ResNet."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Count, Inert, Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Attention, Norm, Shortcut, Stride, Striding, Unit
from unetgen.parts.blocks.shortcuts import Projection
from unetgen.parts.layers.activations import Relu
from unetgen.parts.layers.attentions import NoAttention
from unetgen.parts.layers.norms import Batch

Padding = Literal["zeros", "reflect", "replicate", "circular"]


class Bottleneck(Striding):
    """A 1x1 reduction, a convolution, a 1x1 expansion and a shortcut (He et al. 2016).

    The middle convolution has the stride, as in torchvision.
    """

    type: ClassVar[str] = "bottleneck"

    reduction: Count = 4
    mid_channels: Channels | None = None
    """The channels of the middle convolution (default: the width divided by ``reduction``)."""

    kernel_size: Kernel = 3
    padding: Padding = "zeros"
    dilation: Kernel = 1
    groups: Count = 1
    bias: bool = False
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()
    attention: Annotated[Attention, In("attention")] = NoAttention()
    shortcut: Annotated[Shortcut, In("shortcut")] = Projection()

    def inert(self) -> list[Inert]:
        inert = [Inert("reduction", "mid_channels", "mid_channels decides the channels")] if self.mid_channels else []
        if self.kernel_size == 1:
            inert += [Inert(option, "kernel_size", "a kernel of 1 has no border") for option in ("padding", "dilation")]
        return inert

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        mid_channels = self.mid_channels or max(channels // self.reduction, 1)
        shortcut, unit = x, Unit(self.bias, self.norm, self.padding)
        if self.shortcut.before_branch:
            x = shortcut = self.shortcut.emit(g, x, channels, stride, unit)
            stride = Stride()
        x = self._emit_norm_activation(g, g.conv(x, mid_channels, 1, name="conv1", bias=self.bias), 1)
        x = self._emit_norm_activation(g, self._emit_middle_conv(g, x, mid_channels, stride), 2)
        x = self.norm.emit(g, g.conv(x, channels, 1, name="conv3", bias=self.bias), "norm3")
        x = self.attention.emit(g, x)
        if not self.shortcut.before_branch:
            shortcut = self.shortcut.emit(g, shortcut, channels, stride, unit)
        return self.activation.emit(g, g.add(x, shortcut), "sum_activation")

    def _emit_norm_activation(self, g: Builder, x: Value, number: int) -> Value:
        return self.activation.emit(g, self.norm.emit(g, x, f"norm{number}"), f"activation{number}")

    def _emit_middle_conv(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if channels % self.groups:
            message = f"{self.groups} does not divide {channels} channels"
            g.refuse(self, "groups", message, f"use a divisor of {channels}")
            return x
        return g.conv(
            x, channels, self.kernel_size, name="conv2", stride=stride.factor, rounding=stride.rounding,
            padding=self.padding, dilation=self.dilation, groups=self.groups, bias=self.bias,
        )  # fmt: skip
