"""Builder methods that change a feature map's size: by given amounts, or to the size of another."""

from __future__ import annotations

from typing import Literal

from unetgen.graph.base_builder import Axes, BaseBuilder, Value
from unetgen.graph.ops import CropTo, Pad, PadTo, PadToMultiple, ResizeTo
from unetgen.graph.ops.resampling import InterpolationMode


class SizeMatchingMethods(BaseBuilder):
    """Methods that pad, crop and resize."""

    def pad(self, x: Value, before: Axes, after: Axes, mode: str = "zeros", name: str = "pad") -> Value:
        """Add padding by given amounts.

        Args:
            x: The input, ``(batch, c, *size)``.
            before: The pixels that are added at the start of an axis, for all axes or one per axis.
            after: The same at the end.
            mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *(size + before + after))``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
            >>> g.pad(g.input, 1, (2, 0)).size
            (67, 65)
        """
        return self._add_node(name, Pad(self.per_axis(before), self.per_axis(after), mode), (x,))

    def crop_to(
        self, x: Value, other: Value, name: str = "crop", place: Literal["centre", "start"] = "centre"
    ) -> Value:
        """Add a crop to the size of another feature map.

        Args:
            x: The input, ``(batch, c, *size)``.
            other: The feature map with the target size, which must not be larger.
            name: The op's name in the current module.
            place: Which part of ``x`` is kept, its ``centre`` or its ``start``.

        Returns:
            The output, ``(batch, c, *other_size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
            >>> g.crop_to(g.input, g.conv(g.input, 8, 3, name="conv")).size
            (62, 62)
        """
        return self._add_node(name, CropTo(place), (x, other))

    def pad_to(self, x: Value, other: Value, mode: str = "zeros", name: str = "pad") -> Value:
        """Add padding to the size of another feature map, in equal amounts at both ends.

        Args:
            x: The input, ``(batch, c, *size)``.
            other: The feature map with the target size, which must not be smaller.
            mode: ``zeros`` or ``replicate``.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *other_size)``; if the difference is odd, the end gets one pixel more.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
            >>> g.pad_to(g.conv(g.input, 8, 3, name="conv"), g.input).size
            (64, 64)
        """
        return self._add_node(name, PadTo(mode), (x, other))

    def pad_to_multiple(
        self, x: Value, multiple: Axes, mode: str = "zeros", place: Literal["both", "end"] = "end", name: str = "pad"
    ) -> Value:
        """Add padding to the next multiple of a size.

        Args:
            x: The input, ``(batch, c, *size)``.
            multiple: The number that must divide the new size, for all axes or one per axis.
            mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
            place: Whether ``both`` ends of an axis get pixels, or only its ``end``.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *new_size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3, input_size=(50, 64))
            >>> g.pad_to_multiple(g.input, 16).size
            (64, 64)
        """
        return self._add_node(name, PadToMultiple(self.per_axis(multiple), mode, place), (x,))

    def resize_to(
        self, x: Value, other: Value, mode: InterpolationMode, align_corners: bool = False, name: str = "resize"
    ) -> Value:
        """Add an interpolation to the size of another feature map.

        Args:
            x: The input, ``(batch, c, *size)``.
            other: The feature map with the target size.
            mode: ``nearest``, ``linear`` or ``cubic``.
            align_corners: As in torch; ignored if ``mode`` is ``nearest``.
            name: The op's name in the current module.

        Returns:
            The output, ``(batch, c, *other_size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
            >>> g.resize_to(g.conv(g.input, 8, 3, name="conv"), g.input, "linear").size
            (64, 64)
        """
        return self._add_node(name, ResizeTo(mode, align_corners, self.dims), (x, other))
