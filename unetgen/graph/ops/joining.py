"""Ops on several maps of one size. None of them broadcasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from unetgen.graph.algebra import Algebra, S
from unetgen.graph.ops.base import Call, Kept, Op


@dataclass(frozen=True, slots=True)
class _Joining(Op):
    def along(self, axis: int, sizes: Sequence[S], algebra: Algebra[S]) -> S:
        return algebra.same(sizes, self.kind)

    def call(self) -> Call:
        return Call(f"layers.{type(self).__name__}")


@dataclass(frozen=True, slots=True)
class Concat(_Joining):
    """Channels behind channels."""

    kind: ClassVar[str] = "concat"

    def out_channels(self, channels: Sequence[int]) -> int:
        return sum(channels)


@dataclass(frozen=True, slots=True)
class Add(_Joining):
    """The sum."""

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, slots=True)
class Multiply(_Joining):
    """The product."""

    kind: ClassVar[str] = "multiply"

    @property
    def kept(self) -> Kept:
        return "inputs"


@dataclass(frozen=True, slots=True)
class Maximum(_Joining):
    """The larger of each pair of values."""

    kind: ClassVar[str] = "maximum"

    @property
    def kept(self) -> Kept:
        return "inputs"
