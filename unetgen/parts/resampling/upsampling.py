"""Upsamplings: increase the resolution from a level to the next finer one."""

from __future__ import annotations

from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Amount, Channels, Count, Factor, Inert, Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.part_types import Activation, Block, Dropout, Norm, Upsample
from unetgen.parts.blocks.convolutional import Conv
from unetgen.parts.blocks.unit import UNIQUE_ITEMS, Padding, emit_in_order, validate_unique_steps
from unetgen.parts.layers.activations import NoActivation, Relu
from unetgen.parts.layers.dropouts import NoDropout, inert_dropout_place
from unetgen.parts.layers.norms import Batch, NoNorm

OutputChannels = Annotated[Literal["width", "half_width", "half", "keep"] | Channels, Field(union_mode="left_to_right")]
"""The level's width, half of it, half of the input channels, all of them, or a number."""

Step = Literal["conv", "norm", "activation", "dropout"]
Order = Annotated[
    tuple[Step, ...],
    Field(strict=False, min_length=4, max_length=4, json_schema_extra=UNIQUE_ITEMS),
    AfterValidator(validate_unique_steps),
]

DEFAULT_ORDER: Order = ("conv", "norm", "activation", "dropout")


class _UpsampleWithChannels(Upsample):
    """An upsampling with a choice of output channels."""

    channels: OutputChannels = "width"
    """The output channels: the level's width, half of it, half of the input's, all of them (keep), or a number."""

    def resolve_channels(self, x: Value, width: int) -> int:
        """Return the number of output channels on a level of the given width."""
        if isinstance(self.channels, int):
            return self.channels
        choices = {"width": width, "half_width": width // 2, "half": x.channels // 2, "keep": x.channels}
        return max(choices[self.channels], 1)


class NoUpsample(Upsample):
    """No upsampling: the sizes already agree, or the skip's alignment changes them."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class TransposedConv(_UpsampleWithChannels):
    """A transposed convolution, the "up-convolution" of the U-Net paper (Ronneberger et al. 2015).

    Torch offers zero padding only for it.
    """

    type: ClassVar[str] = "transposed_conv"

    kernel_size: Kernel = 2
    stride: Factor = 2
    padding: Amount = 0
    """The pixels removed at each end."""

    output_padding: Amount = 0
    """The pixels added at the far end."""

    bias: bool = True
    order: Order = DEFAULT_ORDER
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = NoActivation()
    dropout: Annotated[Dropout, In("dropout")] = NoDropout()

    @property
    def _has_only_conv(self) -> bool:
        return self.norm.type == self.activation.type == self.dropout.type == "none"

    def inert(self) -> list[Inert]:
        inert = [Inert("order", "norm", "the convolution is the only step")] if self._has_only_conv else []
        return [*inert, *inert_dropout_place(self.dropout)]

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        per_axis = zip(g.per_axis(self.output_padding), g.per_axis(self.stride), strict=True)
        if any(output_padding >= stride for output_padding, stride in per_axis):
            g.refuse(self, "output_padding", "must be smaller than the stride", "use a larger stride")
        width = self.resolve_channels(x, channels)
        if self._has_only_conv:
            return self._emit_conv(g, x, width, "")
        return emit_in_order(self, g, x, self.order, lambda value, name: self._emit_conv(g, value, width, name))

    def _emit_conv(self, g: Builder, x: Value, channels: int, name: str) -> Value:
        return g.transposed_conv(
            x,
            channels,
            self.kernel_size,
            name=name,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            bias=self.bias,
        )


class Interpolate(_UpsampleWithChannels):
    """Interpolation, with a convolution before or after it that makes the output channels.

    ``linear`` means bilinear in 2-D and trilinear in 3-D; ``cubic`` exists in 2-D only.
    """

    type: ClassVar[str] = "interpolate"

    factor: Factor = 2
    mode: InterpolationMode = "nearest"
    align_corners: bool = False
    projection: Literal["before", "after", "none"] = "after"
    kernel_size: Kernel = 1
    padding: Padding = "zeros"
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        inert = [Inert("align_corners", "mode", "mode 'nearest' ignores it")] if self.mode == "nearest" else []
        if self.projection == "none":
            options = ("channels", "kernel_size", "padding", "bias", "norm", "activation")
            inert += [Inert(option, "projection", "there is no projection") for option in options]
        elif self.kernel_size == 1:
            inert.append(Inert("padding", "kernel_size", "a kernel of 1 has no border"))
        return inert

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        g.check_mode(self, self.mode)
        width = self.resolve_channels(x, channels)
        if self.projection == "before":
            x = self._emit_projection(g, x, width)
        name = "" if self.projection == "none" else "resize"
        x = g.interpolate(x, self.factor, self.mode, self.align_corners, name=name)
        return self._emit_projection(g, x, width) if self.projection == "after" else x

    def _emit_projection(self, g: Builder, x: Value, channels: int) -> Value:
        x = g.conv(x, channels, self.kernel_size, name="conv", padding=self.padding, bias=self.bias)
        x = self.norm.emit(g, x, "norm")
        return self.activation.emit(g, x, "activation")


class PixelShuffle(_UpsampleWithChannels):
    """A convolution to factor^dims times the channels, rearranged into pixels (Shi et al. 2016).

    ``blur`` then averages windows of the factor's size, against checkerboard artefacts (Sugawara et al. 2018).
    """

    type: ClassVar[str] = "pixel_shuffle"

    factor: Factor = 2
    kernel_size: Kernel = 3
    padding: Padding = "zeros"
    bias: bool = True
    blur: bool = False

    @model_validator(mode="after")
    def _check_kernel(self) -> PixelShuffle:
        if self.factor == 1:
            what = "a factor of 1 does not upsample"
            raise PydanticCustomError("factor", "{what}", {"what": what, "at": "factor"})
        return self

    def inert(self) -> list[Inert]:
        return [Inert("padding", "kernel_size", "a kernel of 1 has no border")] if self.kernel_size == 1 else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        factor = g.per_axis(self.factor)
        count = self.resolve_channels(x, channels) * prod(factor)
        x = g.conv(x, count, self.kernel_size, name="conv", padding=self.padding, bias=self.bias)
        x = g.pixel_shuffle(x, self.factor, name="shuffle")
        if not self.blur:
            return x
        x = g.pad(x, tuple(n - 1 for n in factor), 0, name="blur_pad")
        return g.avg_pool(x, self.factor, 1, "exact", name="blur")


class Transition(_UpsampleWithChannels):
    """A block before or after an upsampling; ``channels`` sets the block's output channels."""

    type: ClassVar[str] = "transition"

    place: Literal["before", "after"] = "before"
    block: Annotated[Block, In("block")] = Conv(repeats=1, padding="zeros")
    upsample: Annotated[Upsample, In("upsample")] = Interpolate(projection="none")

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        width = self.resolve_channels(x, channels)
        if self.place == "before":
            x = self.block.emit(g, x, width)
        with g.scope("up", label=type(self.upsample).__name__):
            x = self.upsample.emit(g, x, channels)
        return self.block.emit(g, x, width) if self.place == "after" else x


class Squeezed(Upsample):
    """An upsampling with reduced channels between two 1x1 units: LinkNet (Chaurasia and Culurciello 2017)."""

    type: ClassVar[str] = "squeezed"

    reduction: Count = 4
    bias: bool = False
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()
    upsample: Annotated[Upsample, In("upsample")] = TransposedConv(
        kernel_size=4, padding=1, norm=Batch(), activation=Relu()
    )

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        mid_channels = max(x.channels // self.reduction, 1)
        x = self._emit_unit(g, x, mid_channels, "squeeze")
        with g.scope("up", label=type(self.upsample).__name__):
            x = self.upsample.emit(g, x, mid_channels)
        return self._emit_unit(g, x, channels, "expand")

    def _emit_unit(self, g: Builder, x: Value, channels: int, name: str) -> Value:
        with g.scope(name, label="Unit"):
            x = self.norm.emit(g, g.conv(x, channels, 1, name="conv", bias=self.bias), "norm")
            return self.activation.emit(g, x, "activation")
