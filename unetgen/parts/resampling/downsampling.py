"""Downsamplings: from a level to the next coarser one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Amount, Factor, Inert, Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Block, Downsample, Norm, Stride
from unetgen.graph.size_rule import Rounding
from unetgen.parts.blocks.convolutional import Conv
from unetgen.parts.blocks.unit import UNIQUE_ITEMS, Padding, validate_unique_steps
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
    """The next level has the size of this one."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class _PoolingDownsample(Downsample):
    """``rounding`` says what happens to sizes that do not divide: refused, cut off, or filled up."""

    kernel_size: Kernel = 2
    stride: Factor = 2
    padding: Amount = 0
    """Pixels added at each end, at most half a kernel."""

    rounding: Rounding = "exact"

    def check_window(self, g: Builder) -> None:
        """Refuses windows that torch cannot have."""
        kernels, strides, paddings = (g.per_axis(v) for v in (self.kernel_size, self.stride, self.padding))
        if self.rounding == "ceil" and any(kernel < stride for kernel, stride in zip(kernels, strides, strict=True)):
            message = "rounding up needs a kernel at least as long as the stride"
            g.refuse(self, "rounding", message, "use 'exact' or 'floor', or a larger kernel")
        if any(2 * padding > kernel for kernel, padding in zip(kernels, paddings, strict=True)):
            g.refuse(self, "padding", "it is more than half of the kernel", "use a larger kernel")


class MaxPool(_PoolingDownsample):
    """The maximum of each window (Ronneberger et al. 2015)."""

    type: ClassVar[str] = "max_pool"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        self.check_window(g)
        return g.max_pool(x, self.kernel_size, self.stride, self.rounding, padding=self.padding)


class AvgPool(_PoolingDownsample):
    """The mean of each window; pixels added at the ends count as zeros."""

    type: ClassVar[str] = "avg_pool"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        self.check_window(g)
        return g.avg_pool(x, self.kernel_size, self.stride, self.rounding, padding=self.padding)


class StridedConv(Downsample):
    """A convolution with a stride (Springenberg et al. 2015).

    With any padding but ``valid``, multiples of the stride are divided exactly. ``rounding: floor`` takes all
    other sizes too, as torch computes them.
    """

    type: ClassVar[str] = "conv"

    channels: Channels = "keep"
    """As many as there are, or the next level's width."""

    kernel_size: Kernel = 3
    stride: Factor = 2
    padding: Padding = "zeros"
    rounding: Literal["exact", "floor"] = "exact"
    bias: bool = True
    order: Order = DEFAULT_ORDER
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        borderless = all(k <= s for k, s in pair_axes(self.kernel_size, self.stride))
        reason = "a kernel no longer than its stride has no border"
        found = [Inert("padding", "kernel_size", reason)] if borderless else []
        if self.norm.type == self.activation.type == "none":
            found.append(Inert("order", "norm", "there is only the convolution"))
        return found

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        for step in self.order:
            if step == "conv":
                x = self._emit_conv(g, x, x.channels if self.channels == "keep" else channels)
            else:
                x = getattr(self, step).emit(g, x, step)
        return x

    def _emit_conv(self, g: Builder, x: Value, channels: int) -> Value:
        return g.conv(
            x,
            channels,
            self.kernel_size,
            name="conv",
            stride=self.stride,
            padding=self.padding,
            bias=self.bias,
            rounding=self.rounding,
        )


class NextBlock(Downsample):
    """The next level's block does it, by the stride of its first convolution (nnU-Net, ResNet)."""

    type: ClassVar[str] = "next_block"

    factor: Factor = 2
    rounding: Literal["exact", "floor"] = "exact"

    @property
    def left_to_block(self) -> Stride:
        return Stride(self.factor, self.rounding)

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class StridedBlock(Downsample):
    """A block of its own with a stride."""

    type: ClassVar[str] = "block"

    channels: Channels = "next"
    """As many as there are, or the next level's width."""

    factor: Factor = 2
    rounding: Literal["exact", "floor"] = "exact"
    block: Annotated[Block, In("block")] = Conv(padding="zeros")

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        width = x.channels if self.channels == "keep" else channels
        return self.block.emit_strided(g, x, width, Stride(self.factor, self.rounding))


class Transition(Downsample):
    """A block, then a downsampling without weights: the transition of dense networks (Huang et al. 2017)."""

    type: ClassVar[str] = "transition"

    channels: Channels = "keep"
    """As many as there are, or the next level's width."""

    block: Annotated[Block, In("block")] = Conv(
        repeats=1, kernel_size=1, order=("norm", "activation", "conv", "dropout")
    )
    downsample: Annotated[Downsample, In("downsample")] = MaxPool()

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        if self.downsample.left_to_block:
            g.refuse(self, "downsample", "it must change the resolution itself", "use max_pool, avg_pool or conv")
        x = self.block.emit(g, x, x.channels if self.channels == "keep" else channels)
        with g.scope("pool", label=type(self.downsample).__name__):
            return self.downsample.emit(g, x, channels)


def pair_axes(first: int | tuple[int, ...], second: int | tuple[int, ...]) -> list[tuple[int, int]]:
    """Two options axis by axis, where each is one number or one for each axis."""
    axes = max(len(v) if isinstance(v, tuple) else 1 for v in (first, second))
    left, right = (v if isinstance(v, tuple) else (v,) * axes for v in (first, second))
    return list(zip(left, right, strict=True))
