"""Shortcuts: connect the input of a residual block to the sum at its end."""

from __future__ import annotations

from typing import ClassVar, Literal

from unetgen.config.registry.part import Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Shortcut, Stride, Unit


class _ProjectionShortcut(Shortcut):
    when: Literal["needed", "always"] = "needed"
    """Whether the projection exists only if channels or size change, or in every block."""

    bias: Literal["as_block", "yes", "no"] = "as_block"
    """Whether the projection has a bias: as the block's convolutions, yes, or no."""

    normed: Literal["as_block", "always", "never"] = "as_block"
    """Whether the block's norm follows the projection: as after its convolutions, always, or never."""

    def emit_projection(
        self, g: Builder, x: Value, channels: int, unit: Unit, kernel_size: Kernel, stride: Stride
    ) -> Value:
        """Emit the projection and its norm.

        Args:
            g: The builder.
            x: The block's input, ``(batch, c, *size)``.
            channels: The output channels.
            unit: The block's bias, norm and padding.
            kernel_size: The kernel size of the projection.
            stride: The change of resolution.

        Returns:
            The shortcut, ``(batch, channels, *size / stride)``.
        """
        has_bias = unit.bias if self.bias == "as_block" else self.bias == "yes"
        padding = unit.padding if kernel_size != 1 else "valid"
        x = g.conv(
            x, channels, kernel_size, name="shortcut", stride=stride.factor, padding=padding, bias=has_bias,
            rounding=stride.rounding,
        )  # fmt: skip
        has_norm = unit.normed if self.normed == "as_block" else self.normed == "always"
        return unit.norm.emit(g, x, "shortcut_norm") if has_norm else x


class Projection(_ProjectionShortcut):
    """The identity, or a convolution if channels or size change (He et al. 2016)."""

    type: ClassVar[str] = "projection"

    kernel_size: Kernel = 1
    before: bool = False
    """Whether the branch reads the projected feature map too, instead of the block's input."""

    @property
    def before_branch(self) -> bool:
        return self.before

    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        if self.when == "needed" and x.channels == channels and not stride.changes:
            return x
        return self.emit_projection(g, x, channels, unit, self.kernel_size, stride)


class PooledProjection(_ProjectionShortcut):
    """Average pooling by the stride, then a 1x1 convolution: ResNet-D (He et al. 2019)."""

    type: ClassVar[str] = "pooled_projection"

    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        if stride.changes:
            x = g.avg_pool(x, stride.factor, stride.factor, stride.rounding, name="shortcut_pool")
        if self.when == "needed" and x.channels == channels:
            return x
        return self.emit_projection(g, x, channels, unit, 1, Stride())


class Repeat(Shortcut):
    """The input channels, repeated up to the block's channels: V-Net (Milletari et al. 2016)."""

    type: ClassVar[str] = "repeat"

    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        repeats, remainder = divmod(channels, x.channels)
        if remainder or stride.changes:
            message = f"{x.channels} channels cannot be repeated to {channels}"
            if not remainder:
                message = "a repeating shortcut cannot change the resolution"
            g.refuse(self, "type", message, "use a projection")
            return x
        return g.concat(*[x] * repeats, name="shortcut") if repeats > 1 else x
