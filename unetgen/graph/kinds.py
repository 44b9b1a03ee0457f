"""The kinds of part: what each slot of a spec asks of what stands in it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from unetgen.config.part import Channels, Part
from unetgen.config.spec import DecoderLevel, EncoderLevel
from unetgen.graph.algebra import Rounding
from unetgen.graph.builder import Axes, Builder, Value
from unetgen.graph.ops import Call, Parameter


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


class Unit(NamedTuple):
    """What a shortcut takes over from its block: whether its convolutions have a bias, and the norm behind them."""

    bias: bool
    norm: Norm | None
    padding: str


class Align(Part):
    """What is done where skip and upsampled map differ in size."""

    slot: ClassVar[str] = "align"

    @abstractmethod
    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        """Draws both maps at one size; returns (upsampled, skip)."""


class Gate(Part):
    """What a skip does to the map from below, before that is upsampled."""

    slot: ClassVar[str] = "gate"

    @abstractmethod
    def emit(self, g: Builder, below: Value, skip: Value) -> Value:
        """Draws the map from below, weighed: (c, *size) -> (c, *size)."""


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
        """Draws the one map of several skips, the oldest first, by joining the newest first."""
        for number, skip in enumerate(reversed(skips)):
            with g.scope(str(number)):
                upsampled = self.emit(g, upsampled, skip)
        return upsampled


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


class Input(Part):
    """What is done to the image before the encoder, and undone behind the heads."""

    slot: ClassVar[str] = "input"

    @abstractmethod
    def emit(self, g: Builder, image: Value, multiple: tuple[int, ...]) -> Value:
        """Draws what the encoder gets; ``multiple`` is what the sizes that fit are multiples of, for each axis."""

    @abstractmethod
    def undo(self, g: Builder, output: Value, image: Value) -> Value:
        """Draws an output in the size of the image."""


class Features(NamedTuple):
    """What an encoder hands over, finest level first: what goes out of each level's block and of its downsampling.

    ``bottom`` is the bottleneck's input, ``stride`` what of the last downsampling is left to its block.
    """

    maps: Sequence[Value]
    lower: Sequence[Value | None]
    bottom: Value
    stride: Stride = Stride()


class Maps(NamedTuple):
    """What a decoder hands to the heads: its map of each level, finest first, the bottleneck's last.

    ``supervised`` are the maps that deep supervision can look at, the most refined first.
    """

    levels: Sequence[Value]
    supervised: Sequence[Value]


Level = Annotated[Literal["bottleneck"] | Annotated[int, Field(ge=0)], Field(union_mode="left_to_right")]


class Head(Part):
    """From a decoder map to an output."""

    slot: ClassVar[str] = "head"

    level: Level = 0
    """The level whose map it looks at; the coarsest is the bottleneck."""

    out_channels: Channels | None = None
    """The output's channels, where they are not the spec's."""

    @property
    def several(self) -> bool:
        """Whether the output is a list of maps."""
        return False

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws (c, *size) -> (channels, *size)."""

    def emit_all(self, g: Builder, maps: Maps, channels: int) -> list[Value]:
        """Draws the output; a list of them, finest first, where there are several."""
        return [self.emit(g, self.source(g, maps), channels)]

    def source(self, g: Builder, maps: Maps) -> Value:
        """The map that the head looks at."""
        bottom = len(maps.levels) - 1
        level = bottom if self.level == "bottleneck" else self.level
        if level > bottom:
            g.refuse(self, "level", f"there is no level {level}", f"levels go from 0 to {bottom}, the bottleneck")
        return maps.levels[min(level, bottom)]


class Encoder(Part):
    """The way down."""

    slot: ClassVar[str] = "encoder"
    uses: ClassVar[tuple[str, ...]] = ("block", "downsample")
    """The slots that it draws with; what a spec says about the others is refused."""

    @property
    def own_depth(self) -> int | None:
        """How often an encoder with widths of its own can change the resolution; None where the spec has widths."""
        return None

    @abstractmethod
    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel], bottom_width: int | None) -> Features:
        """Draws all levels; ``bottom_width`` is the bottleneck's."""


class Decoder(Part):
    """The way up."""

    slot: ClassVar[str] = "decoder"
    uses: ClassVar[tuple[str, ...]] = ("upsample", "skip", "block")
    """The slots that it draws with; what a spec says about the others is refused."""

    @property
    def leaves_out(self) -> bool:
        """Whether it does without some of what the encoder made, which is then not built."""
        return False

    @abstractmethod
    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        """Draws all levels on the bottleneck's output and the features."""


class Init(Part):
    """How the learned tensors start."""

    slot: ClassVar[str] = "init"

    @abstractmethod
    def rule(self, parameter: Parameter) -> Call:
        """The function of ``torch.nn.init`` that fills one tensor, with its arguments."""
