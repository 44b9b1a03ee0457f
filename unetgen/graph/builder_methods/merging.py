"""Builder methods that merge several feature maps of one size. None of them broadcasts."""

from __future__ import annotations

from unetgen.graph.base_builder import BaseBuilder, Value
from unetgen.graph.ops import Add, Concat, Maximum, Multiply


class MergingMethods(BaseBuilder):
    """Methods that merge feature maps."""

    def concat(self, *values: Value, name: str = "concat") -> Value:
        """Add a concatenation along the channels.

        Args:
            *values: The inputs, ``(batch, c_i, *size)`` each.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, sum(c_i), *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3)
            >>> g.concat(g.input, g.conv(g.input, 8, 3, padding="zeros", name="conv")).channels
            11
        """
        return self._add_node(name, Concat(), values)

    def add(self, *values: Value, name: str = "add") -> Value:
        """Add an elementwise sum.

        Args:
            *values: The inputs, ``(batch, c, *size)`` each.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3)
            >>> g.add(g.input, g.conv(g.input, 3, 3, padding="zeros", name="conv")).channels
            3
        """
        return self._add_node(name, Add(), values)

    def multiply(self, *values: Value, name: str = "multiply") -> Value:
        """Add an elementwise product.

        Args:
            *values: The inputs, ``(batch, c, *size)`` each.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3)
            >>> g.multiply(g.input, g.activation(g.input, "nn.Sigmoid", {}, name="gate")).channels
            3
        """
        return self._add_node(name, Multiply(), values)

    def maximum(self, first: Value, second: Value, name: str = "maximum") -> Value:
        """Add an elementwise maximum.

        Args:
            first: The first input, ``(batch, c, *size)``.
            second: The second input, of the same shape.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3)
            >>> g.maximum(g.input, g.conv(g.input, 3, 3, padding="zeros", name="conv")).channels
            3
        """
        return self._add_node(name, Maximum(), (first, second))
