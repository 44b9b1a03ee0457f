"""Builder: the pen that parts draw with. Each method adds one op and returns its output as a Value."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from unetgen.config.registry.part import Part
from unetgen.graph.base_builder import Axes, BuildProblem, Value
from unetgen.graph.conv_padding import compute_padding
from unetgen.graph.external.builder import ExternalModuleBuilder
from unetgen.graph.ops import (
    Activation,
    AdaptiveAvgPooling,
    Add,
    AvgPooling,
    BroadcastMultiply,
    ChannelConvolution,
    ChannelGate,
    ChannelPooling,
    ChannelScaling,
    Concat,
    Convolution,
    CropTo,
    Dropout,
    Flatten,
    GlobalPooling,
    Interpolation,
    Maximum,
    MaxPooling,
    Multiply,
    Normalization,
    Pad,
    PadTo,
    PadToMultiple,
    PixelShuffle,
    ResizeTo,
    TransposedConvolution,
)
from unetgen.graph.ops.global_ops import Statistic
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.size_rule import Rounding

__all__ = ["Axes", "BuildProblem", "Builder", "Value"]

# A frozen op takes long to make, and the networks of a sweep have most of their convolutions in common.
_cached_convolution = lru_cache(maxsize=4096, typed=True)(Convolution)


class Builder(ExternalModuleBuilder):
    """Draws one network for a spec's dimensions, channels and input size."""

    # Layers

    def conv(  # noqa: PLR0913  # what torch calls a convolution has so many sides
        self,
        x: Value,
        channels: int,
        kernel_size: Axes,
        *,
        name: str = "",
        stride: Axes = 1,
        padding: str = "valid",
        dilation: Axes = 1,
        groups: int = 1,
        bias: bool = True,
        rounding: Rounding = "exact",
        layer: str = "",
    ) -> Value:
        """A convolution. ``padding`` is ``valid``, or the border mode of a same-size (or exactly divided) output.

        Axes whose two ends need different padding get it from an op before the convolution. ``layer`` names
        an earlier convolution of this drawing whose weights are used again.
        """
        kernel, strides, dilations = self.per_axis(kernel_size), self.per_axis(stride), self.per_axis(dilation)
        border = compute_padding(kernel, strides, dilations, padding)
        if border.remainder:
            x = self.pad(x, *border.remainder, border.mode, name=f"{name}_pad".lstrip("_"))
        # What the padding op has padded is none of the convolution's own mode.
        mode = border.mode if any(border.symmetric) else "zeros"
        op = _cached_convolution(
            x.channels, channels, kernel, strides, border.symmetric, dilations, groups, bias, mode, rounding
        )
        return self._add_node(name, op, (x,), layer)

    def transposed_conv(  # noqa: PLR0913  # as many as torch has
        self,
        x: Value,
        channels: int,
        kernel_size: Axes,
        *,
        name: str = "",
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        groups: int = 1,
        bias: bool = True,
    ) -> Value:
        """A transposed convolution; ``padding`` takes pixels away, as in torch."""
        op = TransposedConvolution(
            x.channels,
            channels,
            self.per_axis(kernel_size),
            self.per_axis(stride),
            self.per_axis(padding),
            self.per_axis(output_padding),
            self.per_axis(1),
            groups,
            bias,
        )
        return self._add_node(name, op, (x,))

    def max_pool(
        self, x: Value, kernel_size: Axes, stride: Axes, rounding: Rounding, *, name: str = "", padding: Axes = 0
    ) -> Value:
        """The maximum under each window; what ``padding`` adds is never the maximum."""
        window = self.per_axis(kernel_size), self.per_axis(stride), self.per_axis(padding)
        return self._add_node(name, MaxPooling(*window, rounding), (x,))

    def avg_pool(
        self, x: Value, kernel_size: Axes, stride: Axes, rounding: Rounding, *, name: str = "", padding: Axes = 0
    ) -> Value:
        """The mean under each window; ``padding`` adds zeros that count."""
        window = self.per_axis(kernel_size), self.per_axis(stride), self.per_axis(padding)
        return self._add_node(name, AvgPooling(*window, rounding), (x,))

    def check_mode(self, part: Part, mode: InterpolationMode) -> None:
        """Refuses an interpolation that torch does not have in so many dimensions."""
        if mode == "cubic" and self.dims != 2:
            self.refuse(part, "mode", f"torch has no cubic interpolation in {self.dims}-D", "use 'linear'")

    def interpolate(
        self, x: Value, factor: Axes, mode: InterpolationMode, align_corners: bool = False, name: str = ""
    ) -> Value:
        """A map enlarged by whole factors."""
        return self._add_node(name, Interpolation(self.per_axis(factor), mode, align_corners), (x,))

    def pixel_shuffle(self, x: Value, factor: Axes, name: str = "") -> Value:
        """Channels turned into pixels."""
        return self._add_node(name, PixelShuffle(self.per_axis(factor)), (x,))

    def norm(
        self, x: Value, layer: str, arguments: dict[str, Any], *, name: str = "", affine: bool, elements: int = 1
    ) -> Value:
        """A norm layer; ``layer`` with ``{dims}`` in it is one of torch's families."""
        op = Normalization(layer.format(dims=self.dims), x.channels, arguments, affine, elements)
        return self._add_node(name, op, (x,))

    def activation(self, x: Value, layer: str, arguments: dict[str, Any], *, name: str = "", slopes: int = 0) -> Value:
        """An activation layer, with ``slopes`` learned slopes."""
        return self._add_node(name, Activation(layer, arguments, slopes), (x,))

    def dropout(self, x: Value, layer: str, rate: float, name: str = "") -> Value:
        """A dropout layer."""
        return self._add_node(name, Dropout(layer.format(dims=self.dims), rate), (x,))

    # Borders and joints

    def pad(self, x: Value, before: Axes, after: Axes, mode: str = "zeros", name: str = "pad") -> Value:
        """So many pixels more at each end of an axis."""
        return self._add_node(name, Pad(self.per_axis(before), self.per_axis(after), mode), (x,))

    def crop_to(
        self, x: Value, other: Value, name: str = "crop", place: Literal["centre", "start"] = "centre"
    ) -> Value:
        """The centre of ``x``, or its start, in the size of ``other``."""
        return self._add_node(name, CropTo(place), (x, other))

    def pad_to(self, x: Value, other: Value, mode: str = "zeros", name: str = "pad") -> Value:
        """``x`` in the middle of a frame in the size of ``other``."""
        return self._add_node(name, PadTo(mode), (x, other))

    def pad_to_multiple(
        self, x: Value, multiple: Axes, mode: str = "zeros", place: Literal["both", "end"] = "end", name: str = "pad"
    ) -> Value:
        """``x`` padded to the next size that ``multiple`` divides."""
        return self._add_node(name, PadToMultiple(self.per_axis(multiple), mode, place), (x,))

    def resize_to(
        self, x: Value, other: Value, mode: InterpolationMode, align_corners: bool = False, name: str = "resize"
    ) -> Value:
        """``x`` interpolated to the size of ``other``."""
        return self._add_node(name, ResizeTo(mode, align_corners, self.dims), (x, other))

    def concat(self, *values: Value, name: str = "concat") -> Value:
        """Channels behind channels."""
        return self._add_node(name, Concat(), values)

    def add(self, *values: Value, name: str = "add") -> Value:
        """The sum of maps with equal channels."""
        return self._add_node(name, Add(), values)

    def multiply(self, *values: Value, name: str = "multiply") -> Value:
        """The product of maps with equal channels."""
        return self._add_node(name, Multiply(), values)

    def maximum(self, first: Value, second: Value, name: str = "maximum") -> Value:
        """The larger of each pair of values."""
        return self._add_node(name, Maximum(), (first, second))

    # Whole maps

    def global_pool(self, x: Value, statistic: Statistic = "mean", name: str = "pool") -> Value:
        """One value for each channel, (c, *size) -> (c, 1, ...)."""
        return self._add_node(name, GlobalPooling(statistic), (x,))

    def bin_pool(self, x: Value, bins: Axes, name: str = "pool") -> Value:
        """The mean of each of so many parts of an axis, (c, *size) -> (c, *bins)."""
        return self._add_node(name, AdaptiveAvgPooling(self.per_axis(bins)), (x,))

    def channel_pool(self, x: Value, statistic: Statistic = "mean", name: str = "pool") -> Value:
        """One value for each pixel, (c, *size) -> (1, *size)."""
        return self._add_node(name, ChannelPooling(statistic), (x,))

    def scale(self, x: Value, gate: Value, by: Literal["channels", "pixels"], name: str = "scale") -> Value:
        """``x`` times a pooled gate: (c, 1, ...) for its channels, (1, *size) for its pixels."""
        return self._add_node(name, BroadcastMultiply(by), (x, gate))

    def channel_conv(self, x: Value, kernel_size: int, name: str = "conv") -> Value:
        """A convolution along the channels of a pooled map."""
        return self._add_node(name, ChannelConvolution(x.channels, kernel_size), (x,))

    def channel_scale(self, x: Value, start: float, name: str = "scale") -> Value:
        """A learned factor for each channel."""
        return self._add_node(name, ChannelScaling(x.channels, start), (x,))

    def halve(self, x: Value, name: str = "gate") -> Value:
        """The first half of the channels times the second, (c, *size) -> (c / 2, *size)."""
        return self._add_node(name, ChannelGate(x.channels), (x,))

    def flatten(self, x: Value, name: str = "flatten") -> Value:
        """A pooled map without its spatial axes, (c, 1, ...) -> (c,)."""
        return self._add_node(name, Flatten(), (x,))
