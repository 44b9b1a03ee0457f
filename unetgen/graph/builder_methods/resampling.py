"""Builder methods for poolings and upsampling without weights."""

from __future__ import annotations

from unetgen.config.registry.part import Part
from unetgen.graph.base_builder import Axes, BaseBuilder, Value
from unetgen.graph.ops import AvgPooling, Interpolation, MaxPooling, PixelShuffle
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.size_rule import Rounding


class ResamplingMethods(BaseBuilder):
    """Methods that add poolings and upsampling."""

    def max_pool(
        self, x: Value, kernel_size: Axes, stride: Axes, rounding: Rounding, *, name: str = "", padding: Axes = 0
    ) -> Value:
        """Add a max pooling, ``nn.MaxPool{dims}d``.

        Args:
            x: The input, ``(batch, c, *size)``.
            kernel_size: The window size; this and ``stride`` and ``padding`` are for all axes or one per axis.
            stride: The stride.
            rounding: Sizes that the stride does not divide are rejected (``exact``), or rounded down (``floor``) or
                up (``ceil``).
            name: The layer's name in the current module.
            padding: The pixels that are added at each end of an axis; they are never the maximum.

        Returns:
            The output, ``(batch, c, *new_size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8, input_size=(32, 48))
            >>> g.max_pool(g.input, 2, 2, "exact", name="pool").size
            (16, 24)
        """
        window = self.per_axis(kernel_size), self.per_axis(stride), self.per_axis(padding)
        return self._add_node(name, MaxPooling(*window, rounding), (x,))

    def avg_pool(
        self, x: Value, kernel_size: Axes, stride: Axes, rounding: Rounding, *, name: str = "", padding: Axes = 0
    ) -> Value:
        """Add an average pooling, ``nn.AvgPool{dims}d``.

        Args:
            x: The input, ``(batch, c, *size)``.
            kernel_size: The window size; this and ``stride`` and ``padding`` are for all axes or one per axis.
            stride: The stride.
            rounding: As for ``max_pool``.
            name: The layer's name in the current module.
            padding: The zeros that are added at each end of an axis; they count in the mean.

        Returns:
            The output, ``(batch, c, *new_size)``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8, input_size=(33, 33))
            >>> g.avg_pool(g.input, 2, 2, "ceil", name="pool").size
            (17, 17)
        """
        window = self.per_axis(kernel_size), self.per_axis(stride), self.per_axis(padding)
        return self._add_node(name, AvgPooling(*window, rounding), (x,))

    def check_mode(self, part: Part, mode: InterpolationMode) -> None:
        """Report the part's option ``mode`` if torch has no such interpolation in these dimensions.

        Args:
            part: The part that has the option.
            mode: ``nearest``, ``linear`` or ``cubic``.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> from unetgen.parts.resampling.upsampling import Interpolate
            >>> g = Builder(dims=3, in_channels=1)
            >>> g.check_mode(Interpolate(mode="cubic"), "cubic")
            >>> g.problems[0].message
            'torch has no cubic interpolation in 3-D'
        """
        if mode == "cubic" and self.dims != 2:
            self.refuse(part, "mode", f"torch has no cubic interpolation in {self.dims}-D", "use 'linear'")

    def interpolate(
        self, x: Value, factor: Axes, mode: InterpolationMode, align_corners: bool = False, name: str = ""
    ) -> Value:
        """Add an upsampling by interpolation, ``nn.Upsample``.

        Args:
            x: The input, ``(batch, c, *size)``.
            factor: The integer scale factor, for all axes or one per axis.
            mode: ``nearest``, ``linear`` or ``cubic``; ``linear`` is bilinear in 2-D and trilinear in 3-D.
            align_corners: As in torch; ignored if ``mode`` is ``nearest``.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, *(size * factor))``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8, input_size=(16, 16))
            >>> g.interpolate(g.input, 2, "linear", name="up").size
            (32, 32)
        """
        return self._add_node(name, Interpolation(self.per_axis(factor), mode, align_corners), (x,))

    def pixel_shuffle(self, x: Value, factor: Axes, name: str = "") -> Value:
        """Add a pixel shuffle, which turns channels into pixels (Shi et al. 2016).

        Args:
            x: The input, ``(batch, c * prod(factor), *size)``.
            factor: The integer scale factor, for all axes or one per axis.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, *(size * factor))``.

        Raises:
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=8)
            >>> g.pixel_shuffle(g.input, 2, name="up").channels
            2
        """
        return self._add_node(name, PixelShuffle(self.per_axis(factor)), (x,))
