"""Alignments: give the skip and the upsampled feature map the same size."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from unetgen.config.registry.part import Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.part_types import Align

Operand = Literal["skip", "upsampled"]


class Strict(Align):
    """No alignment: the sizes must agree."""

    type: ClassVar[str] = "strict"

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        return upsampled, skip


class _MatchingAlign(Align):
    """Changes one operand to the size of the other."""

    operand: Operand

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        if self.operand == "skip":
            return upsampled, self.match_size(g, skip, upsampled)
        return self.match_size(g, upsampled, skip), skip

    @abstractmethod
    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        """Emit x at the size of the other feature map."""


class Crop(_MatchingAlign):
    """Crops the larger feature map, at its centre (Ronneberger et al. 2015, figure 1) or its start."""

    type: ClassVar[str] = "crop"

    operand: Operand = "skip"
    place: Literal["centre", "start"] = "centre"

    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        return g.crop_to(x, other, place=self.place)


class Pad(_MatchingAlign):
    """Pads the smaller feature map on both sides; an odd pixel is added at the end."""

    type: ClassVar[str] = "pad"

    operand: Operand = "upsampled"
    mode: Literal["zeros", "replicate"] = "zeros"

    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        return g.pad_to(x, other, self.mode)


class Resize(_MatchingAlign):
    """Interpolates one feature map to the size of the other."""

    type: ClassVar[str] = "resize"

    operand: Operand = "upsampled"
    mode: InterpolationMode = "nearest"
    align_corners: bool = False

    def inert(self) -> list[Inert]:
        return [Inert("align_corners", "mode", "mode 'nearest' ignores it")] if self.mode == "nearest" else []

    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        g.check_mode(self, self.mode)
        return g.resize_to(x, other, self.mode, self.align_corners)
