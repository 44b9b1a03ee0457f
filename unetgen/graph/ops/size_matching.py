"""Ops that pad, crop or resize a feature map: by given amounts, or to the size of another.

Ops that match a size have two inputs: the feature map to change, and the one with the target size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from unetgen.graph.ops.base import Call, Interval, Op, SavedForBackward
from unetgen.graph.ops.resampling import InterpolationMode, interpolation_input_interval, mode_arguments
from unetgen.graph.size_rule import Rule, S, SizeArithmetic


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """Padding by given amounts before and after each axis."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    mode: str

    kind: ClassVar[str] = "pad"

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        amount = self.before[axis] + self.after[axis]
        longest = max(self.before[axis], self.after[axis])
        minimum = {"reflect": longest + 1, "circular": longest}.get(self.mode, 1)
        return arithmetic.apply(sizes[0], Rule(offset=amount, minimum=max(minimum, 1)), f"{self.mode} padding")

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        return output_interval[0] - self.before[axis], output_interval[1] - self.before[axis]

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input" if self.mode in ("reflect", "replicate") else ""

    def to_layer_call(self) -> Call:
        return Call("layers.Pad", {"before": self.before, "after": self.after, "mode": self.mode})


@dataclass(frozen=True, slots=True)
class CropTo(Op):
    """A crop of the first input, at its centre or start, to the size of the second."""

    place: Literal["centre", "start"] = "centre"

    kind: ClassVar[str] = "crop"
    may_alias_input: ClassVar[bool] = True

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        arithmetic.require_at_least(sizes[0], sizes[1], self.kind)
        return sizes[1]

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        margin = (sizes[0] - sizes[1]) // 2 if self.place == "centre" else 0
        return output_interval[0] + margin, output_interval[1] + margin

    def to_layer_call(self) -> Call:
        return Call("layers.CropTo", {} if self.place == "centre" else {"place": self.place})


@dataclass(frozen=True, slots=True)
class PadTo(Op):
    """Padding of the first input to the size of the second, at both ends; an odd pixel goes to the end."""

    mode: str

    kind: ClassVar[str] = "pad"
    may_alias_input: ClassVar[bool] = True

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        arithmetic.require_at_least(sizes[1], sizes[0], self.kind)
        return sizes[1]

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        margin = (sizes[1] - sizes[0]) // 2
        return output_interval[0] - margin, output_interval[1] - margin

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input" if self.mode == "replicate" else ""

    def to_layer_call(self) -> Call:
        return Call("layers.PadTo", {"mode": self.mode})


@dataclass(frozen=True, slots=True)
class PadToMultiple(Op):
    """Padding to the next multiple, at both ends (an odd pixel goes to the end) or only at the end."""

    multiple: tuple[int, ...]
    mode: str
    place: Literal["both", "end"]

    kind: ClassVar[str] = "pad"
    may_alias_input: ClassVar[bool] = True

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        multiple = self.multiple[axis]
        shortest = Rule(divisor=multiple, up=True, minimum=self._minimum_size(multiple))
        return arithmetic.apply(
            arithmetic.apply(sizes[0], shortest, f"{self.mode} padding"), Rule(factor=multiple), self.kind
        )

    def _minimum_size(self, multiple: int) -> int:
        """Return the smallest size that has enough pixels to reflect or to repeat."""
        spare = {"reflect": 1, "circular": 0}.get(self.mode)
        if spare is None:
            return 1
        return next(n for n in range(1, multiple + 2) if self._padding_after(-n % multiple) <= n - spare)

    def _padding_after(self, missing: int) -> int:
        return missing - missing // 2 if self.place == "both" else missing

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        margin = (sizes[1] - sizes[0]) // 2 if self.place == "both" else 0
        return output_interval[0] - margin, output_interval[1] - margin

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input" if self.mode in ("reflect", "replicate") else ""

    def to_layer_call(self) -> Call:
        return Call("layers.PadToMultiple", {"multiple": self.multiple, "mode": self.mode, "place": self.place})


@dataclass(frozen=True, slots=True)
class ResizeTo(Op):
    """Interpolation of the first input to the size of the second."""

    mode: InterpolationMode
    align_corners: bool
    dims: int

    kind: ClassVar[str] = "resize"

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return sizes[1]

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        return interpolation_input_interval(output_interval, sizes, self.mode, self.align_corners)

    def to_layer_call(self) -> Call:
        arguments: dict[str, Any] = mode_arguments(self.mode, self.dims, self.align_corners)
        return Call("layers.ResizeTo", arguments)
