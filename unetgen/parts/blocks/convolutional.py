"""Blocks of consecutive convolutions, with and without a shortcut."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Attention, Block, Norm, Shortcut, Stride
from unetgen.parts.blocks.shortcuts import Projection
from unetgen.parts.blocks.unit import UNIQUE_ITEMS, Step, Units, validate_unique_steps
from unetgen.parts.layers.activations import Relu
from unetgen.parts.layers.attentions import NoAttention
from unetgen.parts.layers.norms import Batch

# The channels between the first and the last convolution: a number, or a share of the input or output channels.
MidChannels = Annotated[Literal["output", "half_output", "half_input"] | Channels, Field(union_mode="left_to_right")]
NormStep = Literal["norm", "activation"]
NormOrder = Annotated[
    tuple[NormStep, ...],
    Field(strict=False, min_length=2, max_length=2, json_schema_extra=UNIQUE_ITEMS),
    AfterValidator(validate_unique_steps),
]


class NoBlock(Block):
    """No block: the feature map stays unchanged."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class NormActivation(Block):
    """A norm and an activation without a convolution, as at the end of pre-activation networks (He et al. 2016)."""

    type: ClassVar[str] = "norm_activation"

    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()
    order: NormOrder = ("norm", "activation")

    def inert(self) -> list[Inert]:
        absent = next((option for option in ("norm", "activation") if getattr(self, option).type == "none"), None)
        return [Inert("order", absent, "there is only one step")] if absent else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        for step in self.order:
            x = getattr(self, step).emit(g, x, step)
        return x


class Conv(Units):
    """Consecutive convolution units (Ronneberger et al. 2015)."""

    type: ClassVar[str] = "conv"

    mid_channels: MidChannels = "output"
    """The channels between the first and the last convolution."""

    def inert(self) -> list[Inert]:
        inert = super().inert()
        if self.repeats == 1:
            inert.append(Inert("mid_channels", "repeats", "there is only one convolution"))
        return inert

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        choices = {
            "output": channels,
            "half_output": max(channels // 2, 1),
            "half_input": max(x.channels // 2, 1),
        }
        mid_channels = choices[self.mid_channels] if isinstance(self.mid_channels, str) else self.mid_channels
        for number in range(1, self.repeats + 1):
            last = number == self.repeats
            width, unit_stride = channels if last else mid_channels, stride if number == 1 else Stride()
            x = self.emit_unit(g, x, width, number, last=last, stride=unit_stride)
        return x


class Residual(Units):
    """Consecutive convolution units with a shortcut (He et al. 2016).

    An activation after the last convolution moves after the sum. An order that ends with the convolution gives the
    pre-activation form. With ``padding: valid`` the shortcut is cropped to the size of the branch.
    """

    type: ClassVar[str] = "residual"

    shortcut: Annotated[Shortcut, In("shortcut")] = Projection()
    attention: Annotated[Attention, In("attention")] = NoAttention()
    """The attention at the end of the branch, before the sum."""

    last_activation: Literal["after_sum", "before_sum", "both"] = "after_sum"
    """Whether the last unit's activation is applied after the sum, before it, or both."""

    first: Literal["unit", "conv"] = "unit"
    """The first unit: complete, or only its convolution, as at the start of a pre-activation network."""

    def inert(self) -> list[Inert]:
        inert = super().inert()
        if "activation" not in self.steps_after_conv:
            inert.append(Inert("last_activation", "order", "no activation follows the last convolution"))
        return inert

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        shortcut = x
        if self.shortcut.before_branch:
            x = shortcut = self.shortcut.emit(g, x, channels, stride, self.shortcut_unit)
            stride = Stride()
        x = self._emit_branch(g, x, channels, stride)
        x = self.attention.emit(g, x)
        if not self.shortcut.before_branch:
            # After the branch: most other implementations register their layers in this order too.
            shortcut = self.shortcut.emit(g, shortcut, channels, stride, self.shortcut_unit)
        if self.padding == "valid" and self.kernel_size != 1:
            shortcut = g.crop_to(shortcut, x, name="shortcut_crop")
        x = g.add(x, shortcut)
        if "activation" in self.steps_after_conv and self.last_activation != "before_sum":
            x = self.activation.emit(g, x, "sum_activation")
        return x

    def _emit_branch(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        moved: tuple[Step, ...] = ()
        if "activation" in self.steps_after_conv and self.last_activation == "after_sum":
            moved = ("activation",)
        for number in range(1, self.repeats + 1):
            last = number == self.repeats
            omitted = moved if last else ()
            if number == 1 and self.first == "conv":
                omitted = ("norm", "activation", "dropout")
            unit_stride = stride if number == 1 else Stride()
            x = self.emit_unit(g, x, channels, number, last=last, omitted=omitted, stride=unit_stride)
        return x
