"""From level to level: downsamplings and upsamplings."""

from __future__ import annotations

from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.choice import In
from unetgen.config.part import Amount, Factor, Inert, Kernel
from unetgen.graph.algebra import Rounding
from unetgen.graph.builder import Builder, Value
from unetgen.graph.kinds import Activation, Downsample, Norm, Upsample
from unetgen.graph.ops.resampling import Mode
from unetgen.parts.activations import NoActivation
from unetgen.parts.norms import NoNorm
from unetgen.parts.unit import Padding


class _Pool(Downsample):
    """``rounding`` says what happens to sizes that do not divide: refused, cut off, or filled up."""

    kernel_size: Kernel = 2
    stride: Factor = 2
    rounding: Rounding = "exact"

    def check(self, g: Builder) -> None:
        pairs = zip(g.per_axis(self.kernel_size), g.per_axis(self.stride), strict=True)
        if self.rounding == "ceil" and any(kernel < stride for kernel, stride in pairs):
            message = "rounding up needs a kernel at least as long as the stride"
            g.refuse(self, "rounding", message, "use 'exact' or 'floor', or a larger kernel")


class MaxPool(_Pool):
    """The maximum of each window (Ronneberger et al. 2015)."""

    type: ClassVar[str] = "max_pool"

    def emit(self, g: Builder, x: Value) -> Value:
        self.check(g)
        return g.max_pool(x, self.kernel_size, self.stride, self.rounding)


class AvgPool(_Pool):
    """The mean of each window."""

    type: ClassVar[str] = "avg_pool"

    def emit(self, g: Builder, x: Value) -> Value:
        self.check(g)
        return g.avg_pool(x, self.kernel_size, self.stride, self.rounding)


class StridedConv(Downsample):
    """A convolution with a stride (Springenberg et al. 2015); the channels stay.

    With any padding but ``valid``, multiples of the stride are divided exactly. ``rounding: floor`` takes all
    other sizes too, as torch computes them.
    """

    type: ClassVar[str] = "conv"

    kernel_size: Kernel = 3
    stride: Factor = 2
    padding: Padding = "zeros"
    rounding: Literal["exact", "floor"] = "exact"
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        borderless = all(k <= s for k, s in _paired(self.kernel_size, self.stride))
        reason = "a kernel no longer than its stride has no border"
        return [Inert("padding", "kernel_size", reason)] if borderless else []

    def emit(self, g: Builder, x: Value) -> Value:
        x = g.conv(
            x,
            x.channels,
            self.kernel_size,
            name="conv",
            stride=self.stride,
            padding=self.padding,
            bias=self.bias,
            rounding=self.rounding,
        )
        x = self.norm.emit(g, x, "norm")
        return self.activation.emit(g, x, "activation")


class _Up(Upsample):
    """``channels: width`` makes the channels of the level above, ``keep`` leaves those from below."""

    channels: Literal["width", "keep"] = "width"

    def wanted(self, x: Value, width: int) -> int:
        return width if self.channels == "width" else x.channels


class TransposedConv(_Up):
    """A transposed convolution, the paper's "up-convolution"; torch pads it with zeros only."""

    type: ClassVar[str] = "transposed_conv"

    kernel_size: Kernel = 2
    stride: Factor = 2
    padding: Amount = 0
    """Pixels taken away at each end."""
    output_padding: Amount = 0
    """Pixels added at the far end."""
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        longest = zip(g.per_axis(self.output_padding), g.per_axis(self.stride), strict=True)
        if any(extra >= stride for extra, stride in longest):
            g.refuse(self, "output_padding", "it must be smaller than the stride", "use a larger stride")
        alone = self.norm.type == self.activation.type == "none"
        x = g.transposed_conv(
            x,
            self.wanted(x, channels),
            self.kernel_size,
            name="" if alone else "conv",
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            bias=self.bias,
        )
        x = self.norm.emit(g, x, "norm")
        return self.activation.emit(g, x, "activation")


class Interpolate(Upsample):
    """Interpolation, with a convolution before or after it that makes the channels of the level above.

    ``linear`` is bilinear in 2-D and trilinear in 3-D; ``cubic`` exists in 2-D only.
    """

    type: ClassVar[str] = "interpolate"

    factor: Factor = 2
    mode: Mode = "nearest"
    align_corners: bool = False
    projection: Literal["before", "after", "none"] = "after"
    kernel_size: Kernel = 1
    padding: Padding = "zeros"
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        found = [Inert("align_corners", "mode", "nearest takes whole pixels")] if self.mode == "nearest" else []
        if self.projection == "none":
            options = ("kernel_size", "padding", "bias", "norm", "activation")
            found += [Inert(option, "projection", "there is no projection") for option in options]
        elif self.kernel_size == 1:
            found.append(Inert("padding", "kernel_size", "a kernel of 1 has no border"))
        return found

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        if self.mode == "cubic" and g.dims != 2:
            g.refuse(self, "mode", f"torch has no cubic interpolation in {g.dims}-D", "use 'linear'")
        if self.projection == "before":
            x = self._project(g, x, channels)
        alone = self.projection == "none"
        x = g.interpolate(x, self.factor, self.mode, self.align_corners, name="" if alone else "resize")
        return self._project(g, x, channels) if self.projection == "after" else x

    def _project(self, g: Builder, x: Value, channels: int) -> Value:
        x = g.conv(x, channels, self.kernel_size, name="conv", padding=self.padding, bias=self.bias)
        x = self.norm.emit(g, x, "norm")
        return self.activation.emit(g, x, "activation")


class PixelShuffle(_Up):
    """A convolution to factor^dims times the channels, and those turned into pixels (Shi et al. 2016)."""

    type: ClassVar[str] = "pixel_shuffle"

    factor: Factor = 2
    kernel_size: Kernel = 3
    padding: Padding = "zeros"
    bias: bool = True

    @model_validator(mode="after")
    def _check_kernel(self) -> PixelShuffle:
        if self.factor == 1:
            what = "a factor of 1 shuffles nothing"
            raise PydanticCustomError("factor", "{what}", {"what": what, "at": "factor"})
        return self

    def inert(self) -> list[Inert]:
        return [Inert("padding", "kernel_size", "a kernel of 1 has no border")] if self.kernel_size == 1 else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        count = self.wanted(x, channels) * prod(g.per_axis(self.factor))
        x = g.conv(x, count, self.kernel_size, name="conv", padding=self.padding, bias=self.bias)
        return g.pixel_shuffle(x, self.factor, name="shuffle")


def _paired(first: int | tuple[int, ...], second: int | tuple[int, ...]) -> list[tuple[int, int]]:
    """Two options axis by axis, where each is one number or one for each axis."""
    axes = max(len(v) if isinstance(v, tuple) else 1 for v in (first, second))
    left, right = (v if isinstance(v, tuple) else (v,) * axes for v in (first, second))
    return list(zip(left, right, strict=True))
