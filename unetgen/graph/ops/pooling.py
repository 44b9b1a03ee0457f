"""Poolings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from unetgen.graph.ops.base import Call, Interval, Op, SavedForBackward, Shape, Size
from unetgen.graph.ops.convolution import window_input_interval, window_rule
from unetgen.graph.size_rule import Rounding, Rule, S, SizeArithmetic


@dataclass(frozen=True, slots=True)
class _Pooling(Op):
    kernel: Size
    stride: Size
    padding: Size
    rounding: Rounding

    class_stem: ClassVar[str]

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.apply(sizes[0], self._size_rule(axis), self.kind)

    def _size_rule(self, axis: int) -> Rule:
        return window_rule(self.kernel[axis], self.stride[axis], self.padding[axis], self.rounding)

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        return window_input_interval(output_interval, self.kernel[axis], self.stride[axis], self.padding[axis])

    def to_layer_call(self) -> Call:
        arguments: dict[str, Any] = {"kernel_size": self.kernel, "stride": self.stride}
        padding = {"padding": self.padding} if any(self.padding) else {}
        ceil = {"ceil_mode": True} if self.rounding == "ceil" else {}
        return Call(f"{self.namespace}.{self.class_stem}{len(self.kernel)}d", {**arguments, **padding, **ceil})

    @property
    def namespace(self) -> str:
        """The module that has the layer: ``nn``, or ``layers`` for unetgen's own."""
        return "nn"


@dataclass(frozen=True, slots=True)
class MaxPooling(_Pooling):
    """``nn.MaxPool{dims}d``; in 1-D unetgen's own layer, which can be exported for any length."""

    kind: ClassVar[str] = "max_pool"
    class_stem: ClassVar[str] = "MaxPool"

    @property
    def namespace(self) -> str:
        return "layers" if len(self.kernel) == 1 else "nn"

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        return 2 * prod(outputs)  # the position of each maximum, as int64: two float32

    def workspace_elements(self, inputs: Shape, outputs: Shape) -> int:
        return self.extra_saved_elements(inputs, outputs)


@dataclass(frozen=True, slots=True)
class AvgPooling(_Pooling):
    """``nn.AvgPool{dims}d``."""

    kind: ClassVar[str] = "avg_pool"
    class_stem: ClassVar[str] = "AvgPool"

    def _size_rule(self, axis: int) -> Rule:
        rule = _Pooling._size_rule(self, axis)
        if len(self.kernel) == 3:
            # Only in 3-D does torch reject a map that is smaller than the kernel, even if it is padded.
            rule = rule._replace(minimum=max(rule.minimum, self.kernel[axis]))
        return rule

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"
