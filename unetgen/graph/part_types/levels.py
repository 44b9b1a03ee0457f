"""Base classes of the parts of a level: blocks and their components, downsampling and upsampling."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

from unetgen.config.registry.part import Part
from unetgen.graph.builder import Axes, Builder, Value
from unetgen.graph.part_types.layers import Norm
from unetgen.graph.size_rule import Rounding


class Stride(NamedTuple):
    """The downsampling that a block does itself, and the rounding of sizes that it does not divide.

    Examples:
        >>> Stride(2).changes
        True
    """

    factor: Axes = 1
    rounding: Rounding = "exact"

    @property
    def changes(self) -> bool:
        """Whether the resolution changes."""
        return self.factor != 1


class Block(Part):
    """The computation of a level.

    The output may have other than ``channels`` channels; the next part reads ``Value.channels``.

    Examples:
        >>> from unetgen.authoring import Block, Builder
        >>> class Pair(Block):
        ...     type = "pair"
        ...     def emit(self, g, x, channels):
        ...         x = g.conv(x, channels, 3, padding="zeros", name="conv1")
        ...         return g.conv(x, channels, 3, padding="zeros", name="conv2")
        >>> g = Builder(dims=2, in_channels=3)
        >>> Pair().emit(g, g.input, 16).channels
        16
    """

    slot: ClassVar[str] = "block"

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Add the block.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            channels: The level's width.

        Returns:
            The output, ``(batch, channels, *size)``; other channels are allowed.
        """

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        """Add the block with a downsampling inside it. Blocks that can do that extend ``Striding``.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            channels: The level's width.
            stride: The downsampling.

        Returns:
            The output, ``(batch, channels, *(size / stride))``; other channels are allowed.
        """
        if stride.changes:
            g.refuse(
                self, "type", f"block {self.type!r} cannot change the resolution", "use downsample: conv or max_pool"
            )
        return self.emit(g, x, channels)


class Striding(Block):
    """A block that can downsample its input.

    Examples:
        >>> from unetgen.authoring import Builder, Stride, Striding
        >>> class Single(Striding):
        ...     type = "single"
        ...     def emit_strided(self, g, x, channels, stride):
        ...         return g.conv(x, channels, 3, stride=stride.factor, padding="zeros", name="conv")
        >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
        >>> Single().emit_strided(g, g.input, 16, Stride(2)).size
        (32, 32)
    """

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return self.emit_strided(g, x, channels, Stride())

    @abstractmethod
    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        pass


class Unit(NamedTuple):
    """The settings of a block that its shortcut may adopt.

    Attributes:
        bias: Whether the block's convolutions have biases.
        norm: The block's norm.
        padding: The padding of the block's convolutions.
        normed: Whether the norm comes after the block's convolutions, not before them.

    Examples:
        >>> from unetgen.parts.layers.norms import NoNorm
        >>> Unit(bias=True, norm=NoNorm(), padding="zeros").normed
        True
    """

    bias: bool
    norm: Norm
    padding: str
    normed: bool = True


class Attention(Part):
    """A gate that a feature map computes for itself.

    Examples:
        >>> from unetgen.authoring import Attention, Builder
        >>> class PixelGate(Attention):
        ...     type = "pixel_gate"
        ...     def emit(self, g, x):
        ...         gate = g.activation(g.conv(x, 1, 1, name="conv"), "nn.Sigmoid", {}, name="sigmoid")
        ...         return g.scale(x, gate, "pixels")
        >>> g = Builder(dims=2, in_channels=8)
        >>> PixelGate().emit(g, g.input).channels
        8
    """

    slot: ClassVar[str] = "attention"

    @abstractmethod
    def emit(self, g: Builder, x: Value) -> Value:
        """Add the attention.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.

        Returns:
            The output, ``(batch, c, *size)``.
        """


class Shortcut(Part):
    """The path from a residual block's input to the sum at its end.

    Examples:
        >>> from unetgen.authoring import Builder, Shortcut, Stride, Unit
        >>> from unetgen.parts.layers.norms import NoNorm
        >>> class OneByOne(Shortcut):
        ...     type = "one_by_one"
        ...     def emit(self, g, x, channels, stride, unit):
        ...         return g.conv(x, channels, 1, stride=stride.factor, bias=unit.bias, name="shortcut")
        >>> g = Builder(dims=2, in_channels=8)
        >>> OneByOne().emit(g, g.input, 16, Stride(), Unit(True, NoNorm(), "zeros")).channels
        16
    """

    slot: ClassVar[str] = "shortcut"

    @property
    def before_branch(self) -> bool:
        """Whether the block's branch reads the shortcut's output, not the block's input."""
        return False

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int, stride: Stride, unit: Unit) -> Value:
        """Add the shortcut.

        Args:
            g: The builder.
            x: The block's input, ``(batch, c, *size)``.
            channels: The number of output channels.
            stride: The downsampling of the block.
            unit: The block's bias, norm and padding.

        Returns:
            The output, ``(batch, channels, *(size / stride))``.
        """


class Downsample(Part):
    """The downsampling from a level to the next coarser one.

    Examples:
        >>> from unetgen.authoring import Builder, Downsample
        >>> class Halve(Downsample):
        ...     type = "halve"
        ...     def emit(self, g, x, channels):
        ...         return g.max_pool(x, 2, 2, "floor", name="pool")
        >>> g = Builder(dims=2, in_channels=8, input_size=(33, 33))
        >>> Halve().emit(g, g.input, 16).size
        (16, 16)
    """

    slot: ClassVar[str] = "downsample"

    @property
    def left_to_block(self) -> Stride | None:
        """The stride that is deferred to the next level's block; None if this part downsamples itself."""
        return None

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Add the downsampling.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            channels: The width of the next level.

        Returns:
            The output, with ``c`` or ``channels`` channels and the size ``size / factor``.
        """


class Upsample(Part):
    """The upsampling from a level to the next finer one.

    Examples:
        >>> from unetgen.authoring import Builder, Upsample
        >>> class Double(Upsample):
        ...     type = "double"
        ...     def emit(self, g, x, channels):
        ...         return g.transposed_conv(x, channels, 2, stride=2, name="up")
        >>> g = Builder(dims=2, in_channels=16, input_size=(16, 16))
        >>> Double().emit(g, g.input, 8).size
        (32, 32)
    """

    slot: ClassVar[str] = "upsample"

    @abstractmethod
    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        """Add the upsampling.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            channels: The width of the next finer level.

        Returns:
            The output, with ``channels`` or ``c`` channels and the size ``size * factor``.
        """
