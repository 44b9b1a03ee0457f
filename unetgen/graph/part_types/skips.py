"""Base classes of the parts of a skip connection, between the encoder and the decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from unetgen.config.registry.part import Part
from unetgen.graph.builder import Builder, Value


class Gate(Part):
    """A gate that a skip applies to the coarser feature map before it is upsampled.

    Examples:
        >>> from unetgen.authoring import Builder, Gate
        >>> class ChannelGate(Gate):
        ...     type = "channel_gate"
        ...     def emit(self, g, below, skip):
        ...         weights = g.conv(g.global_pool(skip), below.channels, 1, name="conv")
        ...         return g.scale(below, weights, "channels")
        >>> g = Builder(dims=2, in_channels=8)
        >>> ChannelGate().emit(g, g.conv(g.input, 16, 3, name="below"), g.input).channels
        16
    """

    slot: ClassVar[str] = "gate"

    @abstractmethod
    def emit(self, g: Builder, below: Value, skip: Value) -> Value:
        """Add the gate.

        Args:
            g: The builder.
            below: The coarser feature map, ``(batch, c, *size)``.
            skip: The skip's feature map.

        Returns:
            The gated coarser feature map, ``(batch, c, *size)``.
        """


class Align(Part):
    """The alignment of a skip and the upsampled feature map to one size.

    Examples:
        >>> from unetgen.authoring import Align, Builder
        >>> class CropSkip(Align):
        ...     type = "crop_skip"
        ...     def emit(self, g, upsampled, skip):
        ...         return upsampled, g.crop_to(skip, upsampled)
        >>> g = Builder(dims=2, in_channels=8, input_size=(32, 32))
        >>> upsampled, skip = CropSkip().emit(g, g.conv(g.input, 8, 3, name="conv"), g.input)
        >>> skip.size
        (30, 30)
    """

    slot: ClassVar[str] = "align"

    @abstractmethod
    def emit(self, g: Builder, upsampled: Value, skip: Value) -> tuple[Value, Value]:
        """Add the alignment.

        Args:
            g: The builder.
            upsampled: The upsampled feature map, ``(batch, c, *size)``.
            skip: The skip's feature map, ``(batch, k, *skip_size)``.

        Returns:
            The upsampled feature map and the skip, at one size.
        """


class Transform(Part):
    """A transformation of a skip before the fusion.

    Examples:
        >>> from unetgen.authoring import Builder, Transform
        >>> class Project(Transform):
        ...     type = "project"
        ...     def emit(self, g, skip, upsampled, below):
        ...         return g.conv(skip, upsampled.channels, 1, name="conv")
        >>> g = Builder(dims=2, in_channels=8)
        >>> wide = g.conv(g.input, 16, 3, padding="zeros", name="wide")
        >>> Project().emit(g, g.input, wide, wide).channels
        16
    """

    slot: ClassVar[str] = "transform"

    @abstractmethod
    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        """Add the transformation.

        Args:
            g: The builder.
            skip: The skip's feature map, ``(batch, k, *size)``.
            upsampled: The feature map with which the skip will be fused.
            below: The same before upsampling.

        Returns:
            The transformed skip, of the same size; other channels are allowed.
        """


class Fusion(Part):
    """The fusion of a skip with the upsampled feature map.

    Examples:
        >>> from unetgen.authoring import Builder, Fusion
        >>> class Concatenate(Fusion):
        ...     type = "concatenate"
        ...     def emit(self, g, upsampled, skip):
        ...         return g.concat(upsampled, skip)
        >>> g = Builder(dims=2, in_channels=8)
        >>> Concatenate().emit(g, g.input, g.input).channels
        16
    """

    slot: ClassVar[str] = "fusion"

    @abstractmethod
    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        """Add the fusion.

        Args:
            g: The builder.
            upsampled: The upsampled feature map, ``(batch, c, *size)``.
            skip: The skip's feature map, ``(batch, k, *size)``.

        Returns:
            The fused feature map.
        """

    def emit_all(self, g: Builder, upsampled: Value, skips: Sequence[Value]) -> Value:
        """Add the fusion of several skips (default: one after the other).

        Args:
            g: The builder.
            upsampled: The upsampled feature map, ``(batch, c, *size)``.
            skips: The feature maps of the skips.

        Returns:
            The fused feature map.
        """
        for number, skip in enumerate(skips):
            with g.scope(str(number)):
                upsampled = self.emit(g, upsampled, skip)
        return upsampled
