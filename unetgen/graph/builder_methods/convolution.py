"""Builder methods for convolutions."""

from __future__ import annotations

from functools import lru_cache

from unetgen.graph.base_builder import Axes, Value
from unetgen.graph.builder_methods.size_matching import SizeMatchingMethods
from unetgen.graph.conv_padding import compute_padding
from unetgen.graph.ops import Convolution, TransposedConvolution
from unetgen.graph.size_rule import Rounding

# Creating a frozen op is slow, and the networks of a sweep have most of their convolutions in common.
_cached_convolution = lru_cache(maxsize=4096, typed=True)(Convolution)


class ConvolutionMethods(SizeMatchingMethods):
    """Methods that add convolutions."""

    def conv(  # noqa: PLR0913  # the options of torch's convolution
        self,
        x: Value,
        channels: int,
        kernel_size: Axes,
        *,
        name: str = "",
        stride: Axes = 1,
        padding: str = "valid",
        dilation: Axes = 1,
        groups: int = 1,
        bias: bool = True,
        rounding: Rounding = "exact",
        layer: str = "",
    ) -> Value:
        """Add a convolution, ``nn.Conv{dims}d``.

        If an axis needs different padding at its two ends, a padding op is added before the convolution.

        Args:
            x: The input, ``(batch, c, *size)``.
            channels: The number of output channels.
            kernel_size: The kernel size; this and ``stride`` and ``dilation`` are for all axes or one per axis.
            name: The layer's name in the current module.
            stride: The stride.
            padding: ``valid`` for none; or ``zeros``, ``reflect``, ``replicate`` or ``circular`` for an output of
                ``size / stride``.
            dilation: The dilation.
            groups: The number of channel groups.
            bias: Whether the layer has a bias.
            rounding: Sizes that the stride does not divide are rejected (``exact``), or rounded down (``floor``).
            layer: The name of an earlier convolution in the current module, whose weights are shared.

        Returns:
            The output, ``(batch, channels, *new_size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
            >>> y = g.conv(g.input, 8, 3, stride=2, padding="zeros", name="conv")
            >>> y.channels, y.size
            (8, (32, 32))
        """
        kernel, strides, dilations = self.per_axis(kernel_size), self.per_axis(stride), self.per_axis(dilation)
        border = compute_padding(kernel, strides, dilations, padding)
        if border.remainder:
            x = self.pad(x, *border.remainder, border.mode, name=f"{name}_pad".lstrip("_"))
        # If the padding op has done all of the padding, the convolution itself has the default mode.
        mode = border.mode if any(border.symmetric) else "zeros"
        op = _cached_convolution(
            x.channels, channels, kernel, strides, border.symmetric, dilations, groups, bias, mode, rounding
        )
        return self._add_node(name, op, (x,), layer)

    def transposed_conv(  # noqa: PLR0913  # the options of torch's layer
        self,
        x: Value,
        channels: int,
        kernel_size: Axes,
        *,
        name: str = "",
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        groups: int = 1,
        bias: bool = True,
    ) -> Value:
        """Add a transposed convolution, ``nn.ConvTranspose{dims}d``.

        Args:
            x: The input, ``(batch, c, *size)``.
            channels: The number of output channels.
            kernel_size: The kernel size, for all axes or one per axis.
            name: The layer's name in the current module.
            stride: The stride.
            padding: The pixels that are removed at each end of an axis, as in torch.
            output_padding: The pixels that are added at the end of an axis, as in torch.
            groups: The number of channel groups.
            bias: Whether the layer has a bias.

        Returns:
            The output, ``(batch, channels, *new_size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8, input_size=(32, 32))
            >>> g.transposed_conv(g.input, 4, 2, stride=2, name="up").size
            (64, 64)
        """
        op = TransposedConvolution(
            x.channels,
            channels,
            self.per_axis(kernel_size),
            self.per_axis(stride),
            self.per_axis(padding),
            self.per_axis(output_padding),
            self.per_axis(1),
            groups,
            bias,
        )
        return self._add_node(name, op, (x,))
