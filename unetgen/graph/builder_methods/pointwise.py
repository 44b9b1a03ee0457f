"""Builder methods for norms, activations and dropouts."""

from __future__ import annotations

from typing import Any

from unetgen.graph.base_builder import BaseBuilder, Value
from unetgen.graph.ops import Activation, Dropout, Normalization


class PointwiseMethods(BaseBuilder):
    """Methods that add layers that keep the shape."""

    def norm(
        self, x: Value, layer: str, arguments: dict[str, Any], *, name: str = "", affine: bool, elements: int = 1
    ) -> Value:
        """Add a norm layer.

        Args:
            x: The input, ``(batch, c, *size)``.
            layer: The layer's class, such as ``nn.GroupNorm`` or ``nn.BatchNorm{dims}d``; ``{dims}`` is replaced.
            arguments: The keyword arguments of the class.
            name: The layer's name in the current module.
            affine: Whether the layer has a learned scale and shift.
            elements: The smallest number of pixels from which each statistic can be computed.

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.norm(g.input, "nn.BatchNorm{dims}d", {"num_features": 8}, affine=True, name="norm").channels
            8
        """
        op = Normalization(layer.format(dims=self.dims), x.channels, arguments, affine, elements)
        return self._add_node(name, op, (x,))

    def activation(self, x: Value, layer: str, arguments: dict[str, Any], *, name: str = "", slopes: int = 0) -> Value:
        """Add an activation layer.

        Args:
            x: The input, ``(batch, c, *size)``.
            layer: The layer's class, such as ``nn.ReLU``.
            arguments: The keyword arguments of the class.
            name: The layer's name in the current module.
            slopes: The number of learned slopes (PReLU).

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.activation(g.input, "nn.LeakyReLU", {"negative_slope": 0.1}, name="act").channels
            8
        """
        return self._add_node(name, Activation(layer, arguments, slopes), (x,))

    def dropout(self, x: Value, layer: str, rate: float, name: str = "") -> Value:
        """Add a dropout layer.

        Args:
            x: The input, ``(batch, c, *size)``.
            layer: The layer's class, such as ``nn.Dropout{dims}d``; ``{dims}`` is replaced.
            rate: The probability with which a value, or a channel, is set to zero.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.dropout(g.input, "nn.Dropout{dims}d", 0.2, name="drop").channels
            8
        """
        return self._add_node(name, Dropout(layer.format(dims=self.dims), rate), (x,))
