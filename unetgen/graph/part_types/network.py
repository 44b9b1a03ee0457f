"""Kinds of what a network has once: the way down, the way up, the heads, and what is done to the image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from unetgen.config.registry.part import Channels, Part
from unetgen.config.spec import DecoderLevel, EncoderLevel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types.levels import Stride


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


HeadLevel = Annotated[Literal["bottleneck"] | Annotated[int, Field(ge=0)], Field(union_mode="left_to_right")]


class Head(Part):
    """From a decoder map to an output."""

    slot: ClassVar[str] = "head"

    level: HeadLevel = 0
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


class Input(Part):
    """What is done to the image before the encoder, and undone behind the heads."""

    slot: ClassVar[str] = "input"

    @abstractmethod
    def emit(self, g: Builder, image: Value, multiple: tuple[int, ...]) -> Value:
        """Draws what the encoder gets; ``multiple`` is what the sizes that fit are multiples of, for each axis."""

    @abstractmethod
    def undo(self, g: Builder, output: Value, image: Value, name: str) -> Value:
        """Draws an output in the size of the image; ``name`` tells it from the others of its head."""
