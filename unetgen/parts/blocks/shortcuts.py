"""Shortcuts: how a residual block's input reaches the sum at its end."""

from __future__ import annotations

from typing import ClassVar, Literal

from unetgen.config.registry.part import Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Shortcut, Stride, Unit


class _ProjectionShortcut(Shortcut):
    when: Literal["needed", "always"] = "needed"
    """Where channels or size change only, or in every block."""

    bias: Literal["as_block", "yes", "no"] = "as_block"
    normed: Literal["as_block", "always", "never"] = "as_block"
    """Where the block's own norm stands behind its convolutions, always, or never."""

    def emit_projection(
        self, g: Builder, x: Value, channels: int, unit: Unit, kernel_size: Kernel, stride: Stride
    ) -> Value:
        """Draws the convolution, and the block's norm behind it."""
        bias = unit.bias if self.bias == "as_block" else self.bias == "yes"
        padding = unit.padding if kernel_size != 1 else "valid"
        x = g.conv(
            x, channels, kernel_size, name="shortcut", stride=stride.factor, padding=padding, bias=bias,
            rounding=stride.rounding,
        )  # fmt: skip
        normed = unit.normed if self.normed == "as_block" else self.normed == "always"
        return unit.norm.emit(g, x, "shortcut_norm") if normed else x


class Projection(_ProjectionShortcut):
    """The identity, or a convolution where channels or size change (He et al. 2016)."""

    type: ClassVar[str] = "projection"

    kernel_size: Kernel = 1
    before: bool = False
    """Before the branch, which then reads the projected map too, or beside it."""

    @property
    def before_branch(self) -> bool:
        return self.before

    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        if self.when == "needed" and x.channels == channels and not stride.changes:
            return x
        return self.emit_projection(g, x, channels, unit, self.kernel_size, stride)


class PooledProjection(_ProjectionShortcut):
    """The mean over each stride, then a 1x1 convolution: ResNet-D (He et al. 2019)."""

    type: ClassVar[str] = "pooled_projection"

    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        if stride.changes:
            x = g.avg_pool(x, stride.factor, stride.factor, stride.rounding, name="shortcut_pool")
        if self.when == "needed" and x.channels == channels:
            return x
        return self.emit_projection(g, x, channels, unit, 1, Stride())


class Repeat(Shortcut):
    """The channels as often as they go into those of the block (V-Net, Milletari et al. 2016)."""

    type: ClassVar[str] = "repeat"

    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        times, rest = divmod(channels, x.channels)
        if rest or stride.changes:
            message = f"{x.channels} channels cannot be repeated to {channels}"
            g.refuse(self, "type", message if rest else "it cannot change the resolution", "use a projection")
            return x
        return g.concat(*[x] * times, name="shortcut") if times > 1 else x
