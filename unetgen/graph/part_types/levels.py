"""Kinds of what stands on a level: blocks, what is inside them, and the ways between levels."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

from unetgen.config.registry.part import Part
from unetgen.graph.builder import Axes, Builder, Value
from unetgen.graph.part_types.layers import Norm
from unetgen.graph.size_rule import Rounding


class Stride(NamedTuple):
    """A change of resolution that a block makes on its way, and what it does with sizes that do not divide."""

    factor: Axes = 1
    rounding: Rounding = "exact"

    @property
    def changes(self) -> bool:
        """Whether there is any."""
        return self.factor != 1


class Block(Part):
    """What a level computes. It may produce other than ``channels`` channels; the next part asks."""

    slot: ClassVar[str] = "block"

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws the block on x, (c, *size) -> (about ``channels``, *size)."""

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        """Draws the block with the change of resolution in it, (c, *size) -> (about ``channels``, *size / stride)."""
        if stride.changes:
            g.refuse(
                self, "type", f"block {self.type!r} cannot change the resolution", "use downsample: conv or max_pool"
            )
        return self.emit(g, x, channels)


class Striding(Block):
    """A block that can change the resolution on its way."""

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return self.emit_strided(g, x, channels, Stride())

    @abstractmethod
    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        pass


class Unit(NamedTuple):
    """What a shortcut takes over from its block: bias and border of its convolutions, and its norm.

    ``normed`` tells whether that norm stands behind the block's convolutions, and not before them.
    """

    bias: bool
    norm: Norm
    padding: str
    normed: bool = True


class Attention(Part):
    """A gate that a map opens and closes for itself."""

    slot: ClassVar[str] = "attention"

    @abstractmethod
    def emit(self, g: Builder, x: Value) -> Value:
        """Draws (c, *size) -> (c, *size)."""


class Shortcut(Part):
    """How a block's input reaches the sum at its end."""

    slot: ClassVar[str] = "shortcut"

    @property
    def before_branch(self) -> bool:
        """Whether the block's branch reads the projected map too."""
        return False

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        """Draws (c, *size) -> (channels, *size / stride); ``unit`` has the block's own bias and norm."""


class Downsample(Part):
    """From a level to the next coarser one."""

    slot: ClassVar[str] = "downsample"

    @property
    def left_to_block(self) -> Stride | None:
        """The stride that is left to the next level's block; None where the part changes the resolution itself."""
        return None

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws (c, *size) -> (c or ``channels``, *size / factor); ``channels`` is the next level's width."""


class Upsample(Part):
    """From a level to the next finer one."""

    slot: ClassVar[str] = "upsample"

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws (c, *size) -> (channels or c, *size * factor)."""
