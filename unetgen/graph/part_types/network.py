"""Base classes of the parts that a network has once: encoder, decoder, heads and input wrapper."""

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
    """The feature maps of an encoder, finest level first.

    Attributes:
        maps: The output of each level's block.
        lower: The output of each level's downsampling; None if the next level's block does the downsampling.
        bottom: The bottleneck's input.
        stride: The part of the last downsampling that is deferred to the bottleneck's block.

    Examples:
        >>> from unetgen.authoring import Builder
        >>> g = Builder(dims=2, in_channels=3)
        >>> pooled = g.max_pool(g.input, 2, 2, "exact", name="pool")
        >>> Features(maps=[g.input], lower=[pooled], bottom=pooled).stride.changes
        False
    """

    maps: Sequence[Value]
    lower: Sequence[Value | None]
    bottom: Value
    stride: Stride = Stride()


class Maps(NamedTuple):
    """The feature maps of a decoder.

    Attributes:
        levels: The output of each level, finest first; the last is the bottleneck's.
        supervised: The feature maps that deep supervision can use, the most refined first.

    Examples:
        >>> from unetgen.authoring import Builder
        >>> g = Builder(dims=2, in_channels=3)
        >>> len(Maps(levels=[g.input], supervised=[g.input]).levels)
        1
    """

    levels: Sequence[Value]
    supervised: Sequence[Value]


class Encoder(Part):
    """The contracting path.

    Examples:
        >>> from unetgen.authoring import Builder, Encoder, Features
        >>> class OneLevel(Encoder):
        ...     type = "one_level"
        ...     def emit(self, g, x, levels, bottom_width):
        ...         pooled = g.max_pool(x, 2, 2, "exact", name="pool")
        ...         return Features(maps=[x], lower=[pooled], bottom=pooled)
        >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
        >>> OneLevel().emit(g, g.input, [], None).bottom.size
        (32, 32)
    """

    slot: ClassVar[str] = "encoder"
    uses: ClassVar[tuple[str, ...]] = ("block", "downsample")
    """The slots of a level that the encoder uses; settings of the others are errors."""

    @property
    def own_depth(self) -> int | None:
        """The maximal number of downsamplings of an encoder with fixed widths; None if the spec sets the widths."""
        return None

    @abstractmethod
    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel], bottom_width: int | None) -> Features:
        """Add all levels.

        Args:
            g: The builder.
            x: The image, ``(batch, c, *size)``.
            levels: The levels' parts and widths, finest first.
            bottom_width: The width of the bottleneck.

        Returns:
            The feature maps.
        """


class Decoder(Part):
    """The expanding path.

    Examples:
        >>> from unetgen.authoring import Builder, Decoder, Features, Maps
        >>> class OneLevel(Decoder):
        ...     type = "one_level"
        ...     def emit(self, g, x, features, levels):
        ...         y = g.interpolate(x, 2, "nearest", name="up")
        ...         y = g.concat(y, features.maps[0])
        ...         return Maps(levels=[y, x], supervised=[y])
        >>> g = Builder(dims=2, in_channels=3)
        >>> pooled = g.max_pool(g.input, 2, 2, "exact", name="pool")
        >>> maps = OneLevel().emit(g, pooled, Features([g.input], [pooled], pooled), [])
        >>> maps.levels[0].channels
        6
    """

    slot: ClassVar[str] = "decoder"
    uses: ClassVar[tuple[str, ...]] = ("upsample", "skip", "block")
    """The slots of a level that the decoder uses; settings of the others are errors."""

    @property
    def leaves_out(self) -> bool:
        """Whether the decoder prunes the encoder: layers that no output needs are not built."""
        return False

    @abstractmethod
    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        """Add all levels.

        Args:
            g: The builder.
            x: The bottleneck's output, ``(batch, c, *size)``.
            features: The encoder's feature maps.
            levels: The levels' parts and widths, finest first.

        Returns:
            The feature maps.
        """


HeadLevel = Annotated[Literal["bottleneck"] | Annotated[int, Field(ge=0)], Field(union_mode="left_to_right")]


class Head(Part):
    """The layers from a feature map of the decoder to an output.

    Examples:
        >>> from unetgen.authoring import Builder, Head
        >>> class Linear(Head):
        ...     type = "linear"
        ...     def emit(self, g, x, channels):
        ...         return g.conv(x, channels, 1, name="conv")
        >>> g = Builder(dims=2, in_channels=16)
        >>> Linear().emit(g, g.input, 2).channels
        2
    """

    slot: ClassVar[str] = "head"

    level: HeadLevel = 0
    """The level whose feature map the head reads; the coarsest is the bottleneck."""

    out_channels: Channels | None = None
    """The output's channels (default: the spec's)."""

    @property
    def several(self) -> bool:
        """Whether the output is a list of tensors."""
        return False

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Add the head.

        Args:
            g: The builder.
            x: The feature map, ``(batch, c, *size)``.
            channels: The output's channels.

        Returns:
            The output, ``(batch, channels, *size)``.
        """

    def emit_all(self, g: Builder, maps: Maps, channels: int) -> list[Value]:
        """Add all outputs of the head.

        Args:
            g: The builder.
            maps: The decoder's feature maps.
            channels: The channels of each output.

        Returns:
            The outputs, finest first; one unless ``several`` is true.
        """
        return [self.emit(g, self.source(g, maps), channels)]

    def source(self, g: Builder, maps: Maps) -> Value:
        """Return the feature map that the head reads.

        Args:
            g: The builder, for problems.
            maps: The decoder's feature maps.

        Returns:
            The feature map of ``level``; the coarsest if the network has no such level.
        """
        bottom = len(maps.levels) - 1
        level = bottom if self.level == "bottleneck" else self.level
        if level > bottom:
            g.refuse(self, "level", f"level {level} does not exist", f"use a level from 0 to {bottom}, the bottleneck")
        return maps.levels[min(level, bottom)]


class Input(Part):
    """A change of the image before the encoder that is undone after the heads.

    Examples:
        >>> from unetgen.authoring import Builder, Input
        >>> class PadEnd(Input):
        ...     type = "pad_end"
        ...     def emit(self, g, image, multiple):
        ...         return g.pad_to_multiple(image, multiple)
        ...     def undo(self, g, output, image, name):
        ...         return g.crop_to(output, image, name=name, place="start")
        >>> g = Builder(dims=2, in_channels=3, input_size=(50, 64))
        >>> padded = PadEnd().emit(g, g.input, (16, 16))
        >>> padded.size
        (64, 64)
        >>> PadEnd().undo(g, padded, g.input, "0").size
        (50, 64)
    """

    slot: ClassVar[str] = "input"

    @abstractmethod
    def emit(self, g: Builder, image: Value, multiple: tuple[int, ...]) -> Value:
        """Add the change of the image.

        Args:
            g: The builder.
            image: The image, ``(batch, c, *size)``.
            multiple: For each axis the number that divides all fitting sizes.

        Returns:
            The encoder's input.
        """

    @abstractmethod
    def undo(self, g: Builder, output: Value, image: Value, name: str) -> Value:
        """Add the change of an output back to the image's size.

        Args:
            g: The builder.
            output: An output of a head.
            image: The image.
            name: The op's name, which differs between the outputs of a head.

        Returns:
            The output, ``(batch, c, *image_size)``.
        """
