"""Builder methods for ops over all pixels or all channels, the building blocks of attention and of pyramids."""

from __future__ import annotations

from typing import Literal

from unetgen.graph.base_builder import Axes, BaseBuilder, Value
from unetgen.graph.ops import (
    AdaptiveAvgPooling,
    BroadcastMultiply,
    ChannelConvolution,
    ChannelGate,
    ChannelPooling,
    ChannelScaling,
    Flatten,
    GlobalPooling,
)
from unetgen.graph.ops.global_ops import Statistic


class GlobalMethods(BaseBuilder):
    """Methods that add ops over all pixels or all channels."""

    def global_pool(self, x: Value, statistic: Statistic = "mean", name: str = "pool") -> Value:
        """Add a pooling over all pixels.

        Args:
            x: The input, ``(batch, c, *size)``.
            statistic: ``mean`` or ``max``.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, 1, ...)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8, input_size=(32, 32))
            >>> g.global_pool(g.input).size
            (1, 1)
        """
        return self._add_node(name, GlobalPooling(statistic), (x,))

    def bin_pool(self, x: Value, bins: Axes, name: str = "pool") -> Value:
        """Add an adaptive average pooling, ``nn.AdaptiveAvgPool{dims}d``.

        Args:
            x: The input, ``(batch, c, *size)``.
            bins: The number of bins along an axis, for all axes or one per axis.
            name: The layer's name in the current module.

        Returns:
            The mean of each bin, ``(batch, c, *bins)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8, input_size=(32, 32))
            >>> g.bin_pool(g.input, 6).size
            (6, 6)
        """
        return self._add_node(name, AdaptiveAvgPooling(self.per_axis(bins)), (x,))

    def channel_pool(self, x: Value, statistic: Statistic = "mean", name: str = "pool") -> Value:
        """Add a pooling over all channels.

        Args:
            x: The input, ``(batch, c, *size)``.
            statistic: ``mean`` or ``max``.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, 1, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.channel_pool(g.input, "max").channels
            1
        """
        return self._add_node(name, ChannelPooling(statistic), (x,))

    def scale(self, x: Value, gate: Value, by: Literal["channels", "pixels"], name: str = "scale") -> Value:
        """Add a product of a feature map with a gate, which is broadcast.

        Args:
            x: The input, ``(batch, c, *size)``.
            gate: ``(batch, c, 1, ...)`` for channels, ``(batch, 1, *size)`` for pixels.
            by: Which of the two shapes the gate has.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.scale(g.input, g.global_pool(g.input), "channels").channels
            8
        """
        return self._add_node(name, BroadcastMultiply(by), (x, gate))

    def channel_conv(self, x: Value, kernel_size: int, name: str = "conv") -> Value:
        """Add a 1-D convolution along the channels of a pooled feature map (ECA, Wang et al. 2020).

        Args:
            x: The input, ``(batch, c, 1, ...)``.
            kernel_size: The kernel size, an odd number of channels.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, 1, ...)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.channel_conv(g.global_pool(g.input), 3).channels
            8
        """
        return self._add_node(name, ChannelConvolution(x.channels, kernel_size), (x,))

    def channel_scale(self, x: Value, start: float, name: str = "scale") -> Value:
        """Add a learned factor per channel (LayerScale, Touvron et al. 2021).

        Args:
            x: The input, ``(batch, c, *size)``.
            start: The initial value of the factors.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.channel_scale(g.input, 1e-6).channels
            8
        """
        return self._add_node(name, ChannelScaling(x.channels, start), (x,))

    def halve(self, x: Value, name: str = "gate") -> Value:
        """Add a gate that multiplies the first half of the channels by the second (NAFNet, Chen et al. 2022).

        Args:
            x: The input, ``(batch, c, *size)``, with an even number of channels.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c / 2, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.halve(g.input).channels
            4
        """
        return self._add_node(name, ChannelGate(x.channels), (x,))

    def flatten(self, x: Value, name: str = "flatten") -> Value:
        """Add the removal of the spatial axes of a pooled feature map.

        Args:
            x: The input, ``(batch, c, 1, ...)``.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.has_no_spatial_axes(g.flatten(g.global_pool(g.input)))
            True
        """
        return self._add_node(name, Flatten(), (x,))
