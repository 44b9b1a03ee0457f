"""Blocks whose units are applied several times with the same weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from unetgen.config.registry.part import Count
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Stride
from unetgen.parts.blocks.unit import Units


class Recurrent(Units):
    """Recurrent units: y = unit(x), then ``steps`` times y = unit(x + y) (Alom et al. 2018).

    A unit's input and output have the same channels, so a 1x1 convolution precedes the first unit if they change.
    """

    type: ClassVar[str] = "recurrent"

    steps: Count = 2
    shared: bool = True
    """Whether all steps of a unit share their weights."""

    projection: Literal["needed", "always"] = "needed"
    """Whether the 1x1 convolution exists only if channels or size change, or always."""

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        return self.emit_recurrent_units(g, self.emit_projection(g, x, channels, stride), channels)

    def emit_projection(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        """Emit the 1x1 convolution, ``(batch, c, *size)`` -> ``(batch, channels, *size / stride)``."""
        if self.projection == "needed" and x.channels == channels and not stride.changes:
            return x
        return g.conv(x, channels, 1, name="projection", stride=stride.factor, rounding=stride.rounding, bias=self.bias)

    def emit_recurrent_units(self, g: Builder, x: Value, channels: int) -> Value:
        """Emit the units, each with all its recurrent steps."""
        for number in range(1, self.repeats + 1):
            last = number == self.repeats
            with g.scope(str(number), label="Unit"):
                y = self.emit_unit(g, x, channels, "", last=last)
            for step in range(1, self.steps + 1):
                y = g.add(self.crop_to_match(g, x, y, f"crop{number}_{step}"), y, name=f"add{number}_{step}")
                with g.scope(f"{number}_{step}", label="Unit", like=str(number) if self.shared else ""):
                    y = self.emit_unit(g, y, channels, "", last=last)
            x = y
        return x

    def crop_to_match(self, g: Builder, x: Value, y: Value, name: str) -> Value:
        """Emit a crop of x to the size of y if the convolutions between them remove pixels."""
        return g.crop_to(x, y, name=name) if self.padding == "valid" and self.kernel_size != 1 else x


class RecurrentResidual(Recurrent):
    """Recurrent units with a shortcut: the block of R2U-Net (Alom et al. 2018)."""

    type: ClassVar[str] = "recurrent_residual"

    projection: Literal["needed", "always"] = "always"

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        x = self.emit_projection(g, x, channels, stride)
        y = self.emit_recurrent_units(g, x, channels)
        return g.add(self.crop_to_match(g, x, y, "shortcut_crop"), y)
