"""Ops that upsample feature maps without weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, prod
from typing import Any, ClassVar, Literal

from unetgen.graph.ops.base import Call, Interval, Op, Size
from unetgen.graph.size_rule import Rule, S, SizeArithmetic

InterpolationMode = Literal["nearest", "linear", "cubic"]

# torch has one name for each number of spatial dimensions.
_TORCH_MODE = {
    "nearest": ("nearest", "nearest", "nearest"),
    "linear": ("linear", "bilinear", "trilinear"),
    "cubic": ("", "bicubic", ""),
}
# The pixels before and after a position that the interpolation reads.
_SUPPORT = {"nearest": (0, 0), "linear": (0, 1), "cubic": (-1, 2)}


def mode_arguments(mode: InterpolationMode, dims: int, align_corners: bool) -> dict[str, Any]:
    """Return torch's arguments for an interpolation; ``nearest`` has no ``align_corners``."""
    corners = {} if mode == "nearest" else {"align_corners": align_corners}
    return {"mode": _TORCH_MODE[mode][dims - 1], **corners}


def interpolation_input_interval(
    output_interval: Interval, sizes: tuple[int, int], mode: InterpolationMode, align_corners: bool
) -> Interval:
    """Return the input pixels on which an interval of interpolated pixels depends."""
    before, after = _SUPPORT[mode]
    low = _source_position(output_interval[0], sizes, mode, align_corners)
    high = _source_position(output_interval[1], sizes, mode, align_corners)
    exact = mode != "cubic" and high.denominator == 1
    return floor(low) + before, floor(high) + (0 if exact else after)


def _source_position(position: int, sizes: tuple[int, int], mode: InterpolationMode, align_corners: bool) -> Fraction:
    inputs, outputs = sizes
    if align_corners and mode != "nearest":
        return Fraction(position * (inputs - 1), max(outputs - 1, 1))
    scale = Fraction(inputs, outputs)
    half = Fraction(1, 2) if mode != "nearest" else Fraction(0)
    return (position + half) * scale - half


@dataclass(frozen=True, slots=True)
class Interpolation(Op):
    """``nn.Upsample`` by integer factors."""

    factor: Size
    mode: InterpolationMode
    align_corners: bool = False

    kind: ClassVar[str] = "interpolate"

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.apply(sizes[0], Rule(factor=self.factor[axis]), self.kind)

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        return interpolation_input_interval(output_interval, sizes, self.mode, self.align_corners)

    def to_layer_call(self) -> Call:
        scale = tuple(float(factor) for factor in self.factor)
        return Call("nn.Upsample", {"scale_factor": scale, **mode_arguments(self.mode, len(scale), self.align_corners)})


@dataclass(frozen=True, slots=True)
class PixelShuffle(Op):
    """Channels to pixels (Shi et al. 2016): (C * prod(factor), *size) -> (C, *size * factor)."""

    factor: Size

    kind: ClassVar[str] = "pixel_shuffle"

    def out_channels(self, channels: Sequence[int]) -> int:
        return channels[0] // prod(self.factor)

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.apply(sizes[0], Rule(factor=self.factor[axis]), self.kind)

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        return output_interval[0] // self.factor[axis], output_interval[1] // self.factor[axis]

    def to_layer_call(self) -> Call:
        square = len(self.factor) == 2 and self.factor[0] == self.factor[1]
        if square:
            return Call("nn.PixelShuffle", {"upscale_factor": self.factor[0]})
        return Call("layers.PixelShuffle", {"factor": self.factor})
