"""Blocks of depthwise convolutions, which filter each channel, and 1x1 convolutions, which mix channels."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Count, Factor, Inert, Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Dropout, Norm, Stride, Striding, Upsample
from unetgen.parts.layers.activations import Gelu, Relu
from unetgen.parts.layers.dropouts import NoDropout, inert_dropout_place
from unetgen.parts.layers.norms import Batch, Group, Layer

Padding = Literal["zeros", "reflect", "replicate", "circular"]


class DepthwiseSeparable(Striding):
    """Depthwise separable convolutions: depthwise, then 1x1, repeated (Chollet 2017; Howard et al. 2017)."""

    type: ClassVar[str] = "depthwise_separable"

    repeats: Count = 2
    kernel_size: Kernel = 3
    padding: Padding = "zeros"
    bias: bool = False
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()
    between: bool = False
    """Whether norm and activation also follow the depthwise convolution, as in MobileNet."""

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        for number in range(1, self.repeats + 1):
            name, unit_stride = f"depthwise{number}", stride if number == 1 else Stride()
            x = emit_depthwise_conv(g, x, self.kernel_size, name, unit_stride, self.padding, bias=self.bias)
            if self.between:
                x = self._emit_norm_activation(g, x, name)
            x = g.conv(x, channels, 1, name=f"pointwise{number}", bias=self.bias)
            x = self._emit_norm_activation(g, x, str(number))
        return x

    def _emit_norm_activation(self, g: Builder, x: Value, name: str) -> Value:
        return self.activation.emit(g, self.norm.emit(g, x, f"{name}_norm"), f"{name}_activation")


class _InvertedBottleneck(Striding):
    """A depthwise convolution, a norm, and two 1x1 convolutions with expanded channels between them."""

    kernel_size: Kernel
    expansion: Count
    padding: Padding = "zeros"
    bias: bool = True
    norm: Annotated[Norm, In("norm")]
    activation: Annotated[Activation, In("activation")] = Gelu()

    def emit_branch(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        """Emit the branch, ``(batch, c, *size)`` -> ``(batch, channels, *size / stride)``."""
        expanded_channels = self.expansion * x.channels
        x = emit_depthwise_conv(g, x, self.kernel_size, "depthwise", stride, self.padding, bias=self.bias)
        x = self.norm.emit(g, x, "norm")
        x = self.activation.emit(g, g.conv(x, expanded_channels, 1, name="expand", bias=self.bias), "activation")
        return g.conv(x, channels, 1, name="project", bias=self.bias)


class ConvNeXt(_InvertedBottleneck):
    """The block of ConvNeXt (Liu et al. 2022).

    A depthwise 7x7 convolution, a layer norm, 1x1 convolutions to 4 times the channels and back, a learned scale per
    channel, and the sum with the input. If channels or size change, a convolution precedes the block.
    """

    type: ClassVar[str] = "convnext"

    kernel_size: Kernel = 7
    expansion: Count = 4
    norm: Annotated[Norm, In("norm")] = Layer(eps=1e-6)
    layer_scale: Annotated[float, Field(ge=0, le=1, strict=True)] = 1e-6
    """The initial value of the learned scales; 0 for no scales."""

    dropout: Annotated[Dropout, In("dropout")] = NoDropout()

    def inert(self) -> list[Inert]:
        return inert_dropout_place(self.dropout)

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if x.channels != channels or stride.changes:
            factor, rounding = stride
            x = g.conv(x, channels, factor, name="entry", stride=factor, bias=self.bias, rounding=rounding)
        y = self.emit_branch(g, x, channels, Stride())
        y = g.channel_scale(y, self.layer_scale) if self.layer_scale else y
        return g.add(self.dropout.emit(g, y, "dropout", last=True), x)


class MedNeXt(_InvertedBottleneck):
    """The block of MedNeXt (Roy et al. 2023): that of ConvNeXt with a norm per channel and no learned scale.

    If the size changes, the depthwise convolution is strided, and so is a 1x1 convolution on the shortcut. If only
    the channels change, the block has no shortcut.
    """

    type: ClassVar[str] = "mednext"

    kernel_size: Kernel = 3
    expansion: Count = 2
    norm: Annotated[Norm, In("norm")] = Group(groups="channels")

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        y = self.emit_branch(g, x, channels, stride)
        if stride.changes:
            factor, rounding = stride
            x = g.conv(x, channels, 1, name="shortcut", stride=factor, bias=self.bias, rounding=rounding)
        return g.add(x, y) if x.channels == channels else y


class MedNeXtUp(Upsample):
    """The upsampling block of MedNeXt, with transposed depthwise and 1x1 convolutions (Roy et al. 2023).

    Both convolutions give an odd size, which is padded with zeros at the start of each axis.
    """

    type: ClassVar[str] = "mednext"

    kernel_size: Kernel = 3
    factor: Factor = 2
    expansion: Count = 2
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Group(groups="channels")
    activation: Annotated[Activation, In("activation")] = Gelu()

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        half_kernel = tuple(kernel // 2 for kernel in g.per_axis(self.kernel_size))
        y = g.transposed_conv(
            x, x.channels, self.kernel_size, name="depthwise", stride=self.factor, padding=half_kernel,
            groups=x.channels, bias=self.bias,
        )  # fmt: skip
        y = self.norm.emit(g, y, "norm")
        y = g.conv(y, self.expansion * x.channels, 1, name="expand", bias=self.bias)
        y = g.conv(self.activation.emit(g, y, "activation"), channels, 1, name="project", bias=self.bias)
        shortcut = g.transposed_conv(x, channels, 1, name="shortcut", stride=self.factor, bias=self.bias)
        padding = tuple(factor - 1 for factor in g.per_axis(self.factor))
        return g.add(g.pad(y, padding, 0, name="pad"), g.pad(shortcut, padding, 0, name="shortcut_pad"))


class NafBlock(Striding):
    """The block of NAFNet, with products of channels instead of activations (Chen et al. 2022).

    Branch 1: norm, 1x1 convolution to twice the channels, depthwise 3x3 convolution, gate (one half of the channels
    times the other), simplified channel attention, 1x1 convolution. Branch 2: norm, 1x1 convolution to twice the
    channels, gate, 1x1 convolution. Each branch is added to its input after a learned scale per channel.
    """

    type: ClassVar[str] = "nafnet"

    expansion: Count = 2
    norm: Annotated[Norm, In("norm")] = Layer(eps=1e-6)
    channel_attention: bool = True
    """Whether to use the simplified channel attention."""

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if x.channels != channels or stride.changes:
            x = g.conv(x, channels, stride.factor, name="entry", stride=stride.factor, rounding=stride.rounding)
        with g.scope("spatial", label="SpatialMixing"):
            y = g.conv(self.norm.emit(g, x, "norm"), self.expansion * channels, 1, name="expand")
            y = g.halve(emit_depthwise_conv(g, y, 3, "depthwise", Stride(), "zeros", bias=True))
            if self.channel_attention:
                y = g.scale(y, g.conv(g.global_pool(y), y.channels, 1, name="attention"), "channels", name="attend")
            x = g.add(x, g.channel_scale(g.conv(y, channels, 1, name="project"), 0.0))
        with g.scope("channel", label="ChannelMixing"):
            y = g.conv(self.norm.emit(g, x, "norm"), self.expansion * channels, 1, name="expand")
            y = g.conv(g.halve(y), channels, 1, name="project")
            return g.add(x, g.channel_scale(y, 0.0))


def emit_depthwise_conv(
    g: Builder, x: Value, kernel_size: Kernel, name: str, stride: Stride, padding: str, *, bias: bool
) -> Value:
    """Emit a depthwise convolution.

    Args:
        g: The builder.
        x: The input, ``(batch, c, *size)``.
        kernel_size: The kernel size, for all axes or per axis.
        name: The name of the layer.
        stride: The change of resolution.
        padding: The padding mode; ``valid`` for none.
        bias: Whether the convolution has a bias.

    Returns:
        The output, ``(batch, c, *size / stride)``.
    """
    return g.conv(
        x, x.channels, kernel_size, name=name, stride=stride.factor, rounding=stride.rounding, padding=padding,
        groups=x.channels, bias=bias,
    )  # fmt: skip
