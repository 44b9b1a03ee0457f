"""Kinds of what a skip meets on its way from the encoder to the decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from unetgen.config.registry.part import Part
from unetgen.graph.builder import Builder, Value


class Gate(Part):
    """What a skip does to the map from below, before that is upsampled."""

    slot: ClassVar[str] = "gate"

    @abstractmethod
    def emit(self, g: Builder, below: Value, skip: Value) -> Value:
        """Draws the map from below, weighed: (c, *size) -> (c, *size)."""


class Align(Part):
    """What is done where skip and upsampled map differ in size."""

    slot: ClassVar[str] = "align"

    @abstractmethod
    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        """Draws both maps at one size; returns (upsampled, skip)."""


class Transform(Part):
    """What a skip goes through before it is fused."""

    slot: ClassVar[str] = "transform"

    @abstractmethod
    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        """Draws the skip's new map; ``upsampled`` is what it will be fused with, ``below`` that before upsampling."""


class Fusion(Part):
    """How skip and upsampled map become one."""

    slot: ClassVar[str] = "fusion"

    @abstractmethod
    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        """Draws the one map."""

    def emit_all(self, g: Builder, upsampled: Value, skips: Sequence[Value]) -> Value:
        """Draws the one map of several skips, by joining one after the other."""
        for number, skip in enumerate(skips):
            with g.scope(str(number)):
                upsampled = self.emit(g, upsampled, skip)
        return upsampled
