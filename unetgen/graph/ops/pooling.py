"""Poolings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from unetgen.graph.algebra import Algebra, Rounding, Rule, S
from unetgen.graph.ops.base import Call, Interval, Kept, Op, Shape, Size
from unetgen.graph.ops.convolution import window_reach, window_rule


@dataclass(frozen=True, slots=True)
class _Pooling(Op):
    kernel: Size
    stride: Size
    padding: Size
    rounding: Rounding

    layer: ClassVar[str]

    def along(self, axis: int, sizes: Sequence[S], algebra: Algebra[S]) -> S:
        return algebra.apply(sizes[0], self._rule(axis), self.kind)

    def _rule(self, axis: int) -> Rule:
        return window_rule(self.kernel[axis], self.stride[axis], self.padding[axis], self.rounding)

    def reach(self, axis: int, interval: Interval, sizes: tuple[int, int]) -> Interval:
        return window_reach(interval, self.kernel[axis], self.stride[axis], self.padding[axis])

    def call(self) -> Call:
        arguments: dict[str, Any] = {"kernel_size": self.kernel, "stride": self.stride}
        padding = {"padding": self.padding} if any(self.padding) else {}
        ceil = {"ceil_mode": True} if self.rounding == "ceil" else {}
        return Call(f"{self.home}.{self.layer}{len(self.kernel)}d", {**arguments, **padding, **ceil})

    @property
    def home(self) -> str:
        """Where the layer comes from."""
        return "nn"


@dataclass(frozen=True, slots=True)
class MaxPooling(_Pooling):
    """``nn.MaxPool{dims}d``; in 1-D our own, which can be exported for any length."""

    kind: ClassVar[str] = "max_pool"
    layer: ClassVar[str] = "MaxPool"

    @property
    def home(self) -> str:
        return "layers" if len(self.kernel) == 1 else "nn"

    @property
    def kept(self) -> Kept:
        return "input"

    def kept_values(self, inputs: Shape, outputs: Shape) -> int:
        return 2 * prod(outputs)  # where each maximum was, as int64: two float32

    def working_values(self, inputs: Shape, outputs: Shape) -> int:
        return self.kept_values(inputs, outputs)


@dataclass(frozen=True, slots=True)
class AvgPooling(_Pooling):
    """``nn.AvgPool{dims}d``."""

    kind: ClassVar[str] = "avg_pool"
    layer: ClassVar[str] = "AvgPool"

    def _rule(self, axis: int) -> Rule:
        rule = _Pooling._rule(self, axis)
        if len(self.kernel) == 3:
            # In 3-D, and only there, torch refuses a map smaller than the kernel, whatever is added to it.
            rule = rule._replace(minimum=max(rule.minimum, self.kernel[axis]))
        return rule

    @property
    def kept(self) -> Kept:
        return "input"
