"""Alignments: what is done where skip and upsampled map differ in size."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from unetgen.config.registry.part import Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.part_types import Align

Operand = Literal["skip", "upsampled"]


class Strict(Align):
    """Nothing is changed: the sizes must agree."""

    type: ClassVar[str] = "strict"

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        return upsampled, skip


class _MatchingAlign(Align):
    """One operand is brought to the size of the other."""

    operand: Operand

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        if self.operand == "skip":
            return upsampled, self.match_size(g, skip, upsampled)
        return self.match_size(g, upsampled, skip), skip

    @abstractmethod
    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        """Draws x in the size of the other map."""


class Crop(_MatchingAlign):
    """The centre of the larger map, as in Fig. 1 of Ronneberger et al. 2015, or its start."""

    type: ClassVar[str] = "crop"

    operand: Operand = "skip"
    place: Literal["centre", "start"] = "centre"

    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        return g.crop_to(x, other, place=self.place)


class Pad(_MatchingAlign):
    """The smaller map in a frame; an odd pixel is added at the end."""

    type: ClassVar[str] = "pad"

    operand: Operand = "upsampled"
    mode: Literal["zeros", "replicate"] = "zeros"

    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        return g.pad_to(x, other, self.mode)


class Resize(_MatchingAlign):
    """One map interpolated to the size of the other."""

    type: ClassVar[str] = "resize"

    operand: Operand = "upsampled"
    mode: InterpolationMode = "nearest"
    align_corners: bool = False

    def inert(self) -> list[Inert]:
        return [Inert("align_corners", "mode", "nearest takes whole pixels")] if self.mode == "nearest" else []

    def match_size(self, g: Builder, x: Value, other: Value) -> Value:
        g.check_mode(self, self.mode)
        return g.resize_to(x, other, self.mode, self.align_corners)
