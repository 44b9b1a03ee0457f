"""Convolutions, plain and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, ClassVar

from unetgen.graph.ops.base import Call, Interval, Op, Parameter, SavedForBackward, Shape, Size
from unetgen.graph.size_rule import Rounding, Rule, S, SizeArithmetic


@dataclass(frozen=True, slots=True)
class Convolution(Op):
    """``nn.Conv{dims}d`` with the same padding on both ends of an axis."""

    in_channels: int
    channels: int
    kernel: Size
    stride: Size
    padding: Size
    dilation: Size
    groups: int = 1
    bias: bool = True
    padding_mode: str = "zeros"
    rounding: Rounding = "exact"

    kind: ClassVar[str] = "conv"

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "" if self.padding_mode == "circular" else "input"

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        if self.padding_mode == "zeros":
            return 0
        # Any other padding makes a padded copy of the input, which the convolution saves instead of the input.
        padded = [n + 2 * p for n, p in zip(inputs[2:], self.padding, strict=True)]
        return inputs[0] * inputs[1] * prod(padded)

    def workspace_elements(self, inputs: Shape, outputs: Shape) -> int:
        return self.extra_saved_elements(inputs, outputs)

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        rule = _cached_window_rule(
            _kernel_extent(self.kernel[axis], self.dilation[axis]),
            self.stride[axis],
            self.padding[axis],
            self.padding_mode,
            self.rounding,
        )
        return arithmetic.apply(sizes[0], rule, "conv")

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        extent = _kernel_extent(self.kernel[axis], self.dilation[axis])
        return window_input_interval(output_interval, extent, self.stride[axis], self.padding[axis])

    def parameters(self) -> tuple[Parameter, ...]:
        weight = (self.channels, self.in_channels // self.groups, *self.kernel)
        return _weight_and_bias(weight, self.channels, self.bias)

    def macs(self, inputs: Size, outputs: Size) -> int:
        return prod(outputs) * prod(self.kernel) * (self.in_channels // self.groups) * self.channels

    def to_layer_call(self) -> Call:
        return Call(f"nn.Conv{len(self.kernel)}d", _non_default_arguments(self, {"padding_mode": self.padding_mode}))


@dataclass(frozen=True, slots=True)
class TransposedConvolution(Op):
    """``nn.ConvTranspose{dims}d``, which torch pads with zeros only."""

    in_channels: int
    channels: int
    kernel: Size
    stride: Size
    padding: Size
    output_padding: Size
    dilation: Size
    groups: int = 1
    bias: bool = True

    kind: ClassVar[str] = "transposed_conv"

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        stride, padding = self.stride[axis], self.padding[axis]
        extent = _kernel_extent(self.kernel[axis], self.dilation[axis])
        plus = extent - 2 * padding + self.output_padding[axis] - stride
        minimum = max(1, -(-(1 - plus) // stride))
        return arithmetic.apply(sizes[0], Rule(factor=stride, offset=plus, minimum=minimum), self.kind)

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        stride, padding = self.stride[axis], self.padding[axis]
        extent = _kernel_extent(self.kernel[axis], self.dilation[axis])
        low = -(-(output_interval[0] + padding - extent + 1) // stride)
        high = (output_interval[1] + padding) // stride
        # If the kernel is smaller than its stride, the outputs between windows depend on no input at all.
        return (low, high) if low <= high else (high, high)

    def parameters(self) -> tuple[Parameter, ...]:
        weight = (self.in_channels, self.channels // self.groups, *self.kernel)
        return _weight_and_bias(weight, self.channels, self.bias)

    def macs(self, inputs: Size, outputs: Size) -> int:
        return prod(inputs) * prod(self.kernel) * (self.channels // self.groups) * self.in_channels

    def to_layer_call(self) -> Call:
        return Call(
            f"nn.ConvTranspose{len(self.kernel)}d",
            _non_default_arguments(self, {"output_padding": self.output_padding}),
        )


def window_rule(kernel: int, stride: int, padding: int, rounding: Rounding) -> Rule:
    """Return the size rule of a window with ``padding`` pixels at each end (a pooling)."""
    return _cached_window_rule(kernel, stride, padding, "zeros", rounding)


def window_input_interval(output_interval: Interval, extent: int, stride: int, padding: int) -> Interval:
    """Return the input pixels under the windows of an interval of output pixels."""
    return output_interval[0] * stride - padding, output_interval[1] * stride - padding + extent - 1


@lru_cache(maxsize=4096)
def _cached_window_rule(extent: int, stride: int, padding: int, mode: str, rounding: Rounding) -> Rule:
    """Return the rule floor((n + 2 padding - extent) / stride) + 1, as in torch.

    If rounding is exact, a padded window, or one shorter than its stride, accepts multiples of the stride, and an
    unpadded window ends at the last pixel. If it is up, no window starts after the last pixel.
    """
    residue = None
    offset = 2 * padding - extent
    if rounding == "exact" and stride > 1:
        residue = 0 if padding or extent < stride else extent % stride
    smallest = extent - 2 * padding
    if rounding == "ceil":
        smallest = max(1, smallest - stride + 1)
        offset = min(offset, padding - stride)
    # A reflection does not repeat the edge pixel; circular padding cannot be longer than the map.
    smallest = max(smallest, {"reflect": padding + 1, "circular": padding}.get(mode, 1), 1)
    return Rule(1, offset, stride, 1, smallest, residue, rounding == "ceil")


def _kernel_extent(kernel: int, dilation: int) -> int:
    return dilation * (kernel - 1) + 1


@lru_cache(maxsize=4096)
def _weight_and_bias(weight: Size, channels: int, bias: bool) -> tuple[Parameter, ...]:
    # torch takes the fan-in from the second axis of the weight, for transposed convolutions too.
    fan_in = prod(weight[1:])
    kernel = Parameter("weight", weight, "kernel", fan_in)
    return (kernel, Parameter("bias", (channels,), "bias", fan_in)) if bias else (kernel,)


def _non_default_arguments(op: Convolution | TransposedConvolution, extra: dict[str, Any]) -> dict[str, Any]:
    """Return torch's arguments without those that have torch's defaults."""
    arguments: dict[str, Any] = {
        "stride": op.stride,
        "padding": op.padding,
        **extra,
        "dilation": op.dilation,
        "groups": op.groups,
        "bias": op.bias,
    }
    ones, zeros = (1,) * len(op.kernel), (0,) * len(op.kernel)
    defaults = {
        "stride": ones, "padding": zeros, "output_padding": zeros, "dilation": ones,
        "groups": 1, "bias": True, "padding_mode": "zeros",
    }  # fmt: skip
    changed = {name: value for name, value in arguments.items() if value != defaults[name]}
    return {
        "in_channels": op.in_channels,
        "out_channels": op.channels,
        "kernel_size": op.kernel,
        **changed,
    }
