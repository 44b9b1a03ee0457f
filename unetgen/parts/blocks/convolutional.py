"""Blocks of convolutions one after the other, with and without a shortcut."""

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

# What stands between the first and the last convolution: a number, or a share of what comes in or goes out.
MidChannels = Annotated[Literal["output", "half_output", "half_input"] | Channels, Field(union_mode="left_to_right")]
NormStep = Literal["norm", "activation"]
NormOrder = Annotated[
    tuple[NormStep, ...],
    Field(strict=False, min_length=2, max_length=2, json_schema_extra=UNIQUE_ITEMS),
    AfterValidator(validate_unique_steps),
]


class NoBlock(Block):
    """Nothing: the level's map is handed on."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class NormActivation(Block):
    """A norm and an activation without a convolution, with which pre-activated networks end (He et al. 2016)."""

    type: ClassVar[str] = "norm_activation"

    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()
    order: NormOrder = ("norm", "activation")

    def inert(self) -> list[Inert]:
        alone = next((option for option in ("norm", "activation") if getattr(self, option).type == "none"), None)
        return [Inert("order", alone, "there is nothing to be ordered")] if alone else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        for step in self.order:
            x = getattr(self, step).emit(g, x, step)
        return x


class Conv(Units):
    """Convolutions one after the other (Ronneberger et al. 2015)."""

    type: ClassVar[str] = "conv"

    mid_channels: MidChannels = "output"
    """The channels between the first and the last convolution."""

    def inert(self) -> list[Inert]:
        found = super().inert()
        if self.repeats == 1:
            found.append(Inert("mid_channels", "repeats", "one convolution has nothing between"))
        return found

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        middle = {
            "output": channels,
            "half_output": max(channels // 2, 1),
            "half_input": max(x.channels // 2, 1),
        }.get(str(self.mid_channels), self.mid_channels)
        for number in range(1, self.repeats + 1):
            last = number == self.repeats
            here = stride if number == 1 else Stride()
            x = self.emit_unit(g, x, channels if last else int(middle), number, last=last, stride=here)
        return x


class Residual(Units):
    """Convolutions with a shortcut around them (He et al. 2016).

    An activation behind the last convolution moves behind the addition; with an order that ends in the
    convolution this is the pre-activation form. With valid padding the shortcut is cropped to what is left.
    """

    type: ClassVar[str] = "residual"

    shortcut: Annotated[Shortcut, In("shortcut")] = Projection()
    attention: Annotated[Attention, In("attention")] = NoAttention()
    """On the branch, before the sum."""

    last_activation: Literal["after_sum", "before_sum", "both"] = "after_sum"
    first: Literal["unit", "conv"] = "unit"
    """The first unit is whole, or its convolution alone, as where a pre-activated network begins."""

    def inert(self) -> list[Inert]:
        found = super().inert()
        if "activation" not in self.steps_after_conv:
            found.append(Inert("last_activation", "order", "no activation stands behind the last convolution"))
        return found

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        shortcut = x
        if self.shortcut.before_branch:
            x = shortcut = self.shortcut.emit(g, x, channels, stride, self.shortcut_unit)
            stride = Stride()
        x = self._emit_branch(g, x, channels, stride)
        x = self.attention.emit(g, x)
        if not self.shortcut.before_branch:
            # Behind the branch, in which order most others register their layers too.
            shortcut = self.shortcut.emit(g, shortcut, channels, stride, self.shortcut_unit)
        if self.padding == "valid" and self.kernel_size != 1:
            shortcut = g.crop_to(shortcut, x, name="shortcut_crop")
        x = g.add(x, shortcut)
        after = "activation" in self.steps_after_conv and self.last_activation != "before_sum"
        return self.activation.emit(g, x, "sum_activation") if after else x

    def _emit_branch(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        moved: tuple[Step, ...] = ()
        if "activation" in self.steps_after_conv and self.last_activation == "after_sum":
            moved = ("activation",)
        for number in range(1, self.repeats + 1):
            last = number == self.repeats
            left_out = moved if last else ()
            if number == 1 and self.first == "conv":
                left_out = ("norm", "activation", "dropout")
            here = stride if number == 1 else Stride()
            x = self.emit_unit(g, x, channels, number, last=last, omitted=left_out, stride=here)
        return x
