"""The kinds of part: what each slot of a spec asks of what stands in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from unetgen.config.part import Part
from unetgen.config.spec import DecoderLevel, EncoderLevel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops import Call, Parameter


class Block(Part):
    """What a level computes. It may produce other than ``channels`` channels; the next part asks."""

    slot: ClassVar[str] = "block"

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws the block on x, (c, *size) -> (about ``channels``, *size)."""


class Downsample(Part):
    """From a level to the next coarser one."""

    slot: ClassVar[str] = "downsample"

    @abstractmethod
    def emit(self, g: Builder, x: Value) -> Value:
        """Draws (c, *size) -> (c, *size / factor)."""


class Upsample(Part):
    """From a level to the next finer one."""

    slot: ClassVar[str] = "upsample"

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws (c, *size) -> (channels or c, *size * factor)."""


class Align(Part):
    """What is done where skip and upsampled map differ in size."""

    slot: ClassVar[str] = "align"

    @abstractmethod
    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        """Draws both maps at one size; returns (upsampled, skip)."""


class Fusion(Part):
    """How skip and upsampled map become one."""

    slot: ClassVar[str] = "fusion"

    @abstractmethod
    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        """Draws the one map."""


class Norm(Part):
    """A norm layer, or none."""

    slot: ClassVar[str] = "norm"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str) -> Value:
        """Draws the norm; x unchanged where there is none."""


class Activation(Part):
    """An activation, or none."""

    slot: ClassVar[str] = "activation"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str) -> Value:
        """Draws the activation; x unchanged where there is none."""


class Dropout(Part):
    """A dropout, or none."""

    slot: ClassVar[str] = "dropout"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str, last: bool) -> Value:
        """Draws the dropout of one unit of a block; ``last`` tells the block's last unit."""


class Head(Part):
    """From the finest decoder map to the output."""

    slot: ClassVar[str] = "head"

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws (c, *size) -> (channels, *size)."""


class Encoder(Part):
    """The way down."""

    slot: ClassVar[str] = "encoder"

    @abstractmethod
    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel]) -> tuple[list[Value], Value]:
        """Draws all levels; returns one feature map for each, finest first, and the bottleneck's input."""


class Decoder(Part):
    """The way up."""

    slot: ClassVar[str] = "decoder"

    @abstractmethod
    def emit(self, g: Builder, x: Value, features: Sequence[Value], levels: Sequence[DecoderLevel]) -> Value:
        """Draws all levels on the bottleneck's output and the features; returns the finest map."""


class Init(Part):
    """How the learned tensors start."""

    slot: ClassVar[str] = "init"

    @abstractmethod
    def rule(self, parameter: Parameter) -> Call:
        """The function of ``torch.nn.init`` that fills one tensor, with its arguments."""
