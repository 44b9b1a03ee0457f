"""Ops that merge several feature maps of equal size. None of them broadcasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from unetgen.graph.ops.base import Call, Op, SavedForBackward
from unetgen.graph.size_rule import S, SizeArithmetic


@dataclass(frozen=True, slots=True)
class _Merge(Op):
    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.require_equal(sizes, self.kind)

    def to_layer_call(self) -> Call:
        return Call(f"layers.{type(self).__name__}")


@dataclass(frozen=True, slots=True)
class Concat(_Merge):
    """The concatenation along the channels."""

    kind: ClassVar[str] = "concat"

    def out_channels(self, channels: Sequence[int]) -> int:
        return sum(channels)


@dataclass(frozen=True, slots=True)
class Add(_Merge):
    """The elementwise sum."""

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, slots=True)
class Multiply(_Merge):
    """The elementwise product."""

    kind: ClassVar[str] = "multiply"

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "inputs"


@dataclass(frozen=True, slots=True)
class Maximum(_Merge):
    """The elementwise maximum."""

    kind: ClassVar[str] = "maximum"

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "inputs"
