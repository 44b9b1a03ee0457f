"""Blocks: what a level computes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unetgen.config.part import Channels, Inert
from unetgen.graph.builder import Builder, Value
from unetgen.parts.unit import Step, Units

# What stands between the first and the last convolution: a number, or a share of what comes in or goes out.
Middle = Annotated[Literal["output", "half_output", "half_input"] | Channels, Field(union_mode="left_to_right")]


class Conv(Units):
    """Convolutions one after the other (Ronneberger et al. 2015)."""

    type: ClassVar[str] = "conv"

    mid_channels: Middle = "output"
    """The channels between the first and the last convolution."""

    def inert(self) -> list[Inert]:
        found = super().inert()
        if self.repeats == 1:
            found.append(Inert("mid_channels", "repeats", "one convolution has nothing between"))
        return found

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        middle = {
            "output": channels,
            "half_output": max(channels // 2, 1),
            "half_input": max(x.channels // 2, 1),
        }.get(str(self.mid_channels), self.mid_channels)
        for number in range(1, self.repeats + 1):
            last = number == self.repeats
            x = self.unit(g, x, channels if last else int(middle), number, last=last)
        return x


class Residual(Units):
    """Convolutions with a shortcut, projected by a 1x1 convolution where the channels change (He et al. 2016).

    An activation behind the last convolution moves behind the addition; with an order that ends in the
    convolution this is the pre-activation form. With valid padding the shortcut is cropped to what is left.
    """

    type: ClassVar[str] = "residual"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        shortcut = x
        behind = "activation" in self._behind_conv()
        for number in range(1, self.repeats + 1):
            last = number == self.repeats
            moved: tuple[Step, ...] = ("activation",) if last and behind else ()
            x = self.unit(g, x, channels, number, last=last, skip=moved)
        if shortcut.channels != channels:
            shortcut = self._projection(g, shortcut, channels)
        if self.padding == "valid" and self.kernel_size != 1:
            shortcut = g.crop_to(shortcut, x, name="shortcut_crop")
        x = g.add(x, shortcut)
        return self.activation.emit(g, x, f"activation{self.repeats}") if behind else x

    def _behind_conv(self) -> tuple[Step, ...]:
        return self.order[self.order.index("conv") :]

    def _projection(self, g: Builder, x: Value, channels: int) -> Value:
        x = g.conv(x, channels, 1, name="shortcut", bias=self.bias)
        return self.norm.emit(g, x, "shortcut_norm") if "norm" in self._behind_conv() else x
