"""Downsamplings: reduce the resolution from a level to the next coarser one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Amount, Factor, Inert, Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Block, Downsample, Norm, Stride
from unetgen.graph.size_rule import Rounding
from unetgen.parts.blocks.convolutional import Conv
from unetgen.parts.blocks.unit import UNIQUE_ITEMS, Padding, emit_in_order, validate_unique_steps
from unetgen.parts.layers.activations import NoActivation
from unetgen.parts.layers.norms import NoNorm

Channels = Literal["keep", "next"]
Step = Literal["conv", "norm", "activation"]
Order = Annotated[
    tuple[Step, ...],
    Field(strict=False, min_length=3, max_length=3, json_schema_extra=UNIQUE_ITEMS),
    AfterValidator(validate_unique_steps),
]

DEFAULT_ORDER: Order = ("conv", "norm", "activation")


class NoDownsample(Downsample):
    """No downsampling: the next level has the same size."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class _PoolingDownsample(Downsample):
    """Options of a pooling; ``rounding`` rejects indivisible sizes, crops them or pads them."""

    kernel_size: Kernel = 2
    stride: Factor = 2
    padding: Amount = 0
    """The pixels added at each end, at most half the kernel size."""

    rounding: Rounding = "exact"

    def check_window(self, g: Builder) -> None:
        """Report window options that torch does not support."""
        kernels, strides, paddings = (g.per_axis(v) for v in (self.kernel_size, self.stride, self.padding))
        if self.rounding == "ceil" and any(kernel < stride for kernel, stride in zip(kernels, strides, strict=True)):
            message = "rounding up needs a kernel at least as long as the stride"
            g.refuse(self, "rounding", message, "use 'exact' or 'floor', or a larger kernel")
        if any(2 * padding > kernel for kernel, padding in zip(kernels, paddings, strict=True)):
            g.refuse(self, "padding", "must be at most half the kernel size", "use a larger kernel")


class MaxPool(_PoolingDownsample):
    """Max pooling (Ronneberger et al. 2015)."""

    type: ClassVar[str] = "max_pool"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        self.check_window(g)
        return g.max_pool(x, self.kernel_size, self.stride, self.rounding, padding=self.padding)


class AvgPool(_PoolingDownsample):
    """Average pooling; padded pixels count as zeros."""

    type: ClassVar[str] = "avg_pool"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        self.check_window(g)
        return g.avg_pool(x, self.kernel_size, self.stride, self.rounding, padding=self.padding)


class StridedConv(Downsample):
    """A strided convolution (Springenberg et al. 2015).

    With any padding except ``valid``, multiples of the stride are divided exactly; ``rounding: floor`` accepts all
    other sizes too, and rounds down as torch does.
    """

    type: ClassVar[str] = "conv"

    channels: Channels = "keep"
    """The output channels: those of the input, or the next level's width."""

    kernel_size: Kernel = 3
    stride: Factor = 2
    padding: Padding = "zeros"
    rounding: Literal["exact", "floor"] = "exact"
    bias: bool = True
    order: Order = DEFAULT_ORDER
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        is_unpadded = all(kernel <= stride for kernel, stride in pair_axes(self.kernel_size, self.stride))
        reason = "a kernel that is not longer than its stride has no border"
        inert = [Inert("padding", "kernel_size", reason)] if is_unpadded else []
        if self.norm.type == self.activation.type == "none":
            inert.append(Inert("order", "norm", "the convolution is the only step"))
        return inert

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        width = x.channels if self.channels == "keep" else channels
        return emit_in_order(self, g, x, self.order, lambda value, name: self._emit_conv(g, value, width, name))

    def _emit_conv(self, g: Builder, x: Value, channels: int, name: str) -> Value:
        return g.conv(
            x,
            channels,
            self.kernel_size,
            name=name,
            stride=self.stride,
            padding=self.padding,
            bias=self.bias,
            rounding=self.rounding,
        )


class NextBlock(Downsample):
    """Downsampling by the next level's block, with the stride of its first convolution (nnU-Net, ResNet)."""

    type: ClassVar[str] = "next_block"

    factor: Factor = 2
    rounding: Literal["exact", "floor"] = "exact"

    @property
    def left_to_block(self) -> Stride:
        return Stride(self.factor, self.rounding)

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class StridedBlock(Downsample):
    """A separate strided block between two levels."""

    type: ClassVar[str] = "block"

    channels: Channels = "next"
    """The output channels: those of the input, or the next level's width."""

    factor: Factor = 2
    rounding: Literal["exact", "floor"] = "exact"
    block: Annotated[Block, In("block")] = Conv(padding="zeros")

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        width = x.channels if self.channels == "keep" else channels
        return self.block.emit_strided(g, x, width, Stride(self.factor, self.rounding))


class Transition(Downsample):
    """A block followed by a downsampling: the transition layer of DenseNet (Huang et al. 2017)."""

    type: ClassVar[str] = "transition"

    channels: Channels = "keep"
    """The output channels: those of the input, or the next level's width."""

    block: Annotated[Block, In("block")] = Conv(
        repeats=1, kernel_size=1, order=("norm", "activation", "conv", "dropout")
    )
    downsample: Annotated[Downsample, In("downsample")] = MaxPool()

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        if self.downsample.left_to_block:
            message = "the downsampling must change the resolution itself"
            g.refuse(self, "downsample", message, "use max_pool, avg_pool or conv")
        x = self.block.emit(g, x, x.channels if self.channels == "keep" else channels)
        with g.scope("pool", label=type(self.downsample).__name__):
            return self.downsample.emit(g, x, channels)


def pair_axes(first: int | tuple[int, ...], second: int | tuple[int, ...]) -> list[tuple[int, int]]:
    """Return two options as one pair per axis; an option is one number for all axes, or one per axis.

    Args:
        first: The first option, for example a kernel size.
        second: The second option, for example a stride.

    Returns:
        One ``(first, second)`` per axis; a single pair if both options are numbers.
    """
    num_axes = max(len(option) if isinstance(option, tuple) else 1 for option in (first, second))
    left, right = (option if isinstance(option, tuple) else (option,) * num_axes for option in (first, second))
    return list(zip(left, right, strict=True))
