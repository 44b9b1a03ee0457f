"""Builder: the pen that parts draw with. Each method adds one op and returns its output as a Value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unetgen.config.part import Part
from unetgen.config.spec import Place
from unetgen.graph.algebra import Rounding
from unetgen.graph.border import border_of
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import (
    Activation,
    Add,
    AvgPooling,
    Concat,
    Convolution,
    CropTo,
    Dropping,
    Input,
    Interpolation,
    MaxPooling,
    Multiply,
    Normalization,
    Op,
    Pad,
    PadTo,
    PixelShuffle,
    ResizeTo,
    TransposedConvolution,
)
from unetgen.graph.ops.base import Size
from unetgen.graph.ops.resampling import Mode

Axes = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a part refuses while it is drawn: which option of which part, where, and why."""

    place: Place
    part: Part
    option: str
    message: str
    hint: str


class Value:
    """A map in the drawing: ``channels`` and, when asked for, ``size``."""

    __slots__ = ("_builder", "channels", "index")

    def __init__(self, builder: Builder, index: int, channels: int) -> None:
        self._builder = builder
        self.index = index
        self.channels = channels

    @property
    def size(self) -> Size:
        """The spatial size for the spec's ``input_size``. Who asks is bound to that size."""
        return self._builder.size_of(self)


class Builder:
    """Draws one network for a spec's dimensions, channels and input size."""

    def __init__(self, dims: int, in_channels: int, input_size: Size | None = None) -> None:
        self.dims = dims
        self.findings: list[Finding] = []
        self.skips: dict[int, int] = {}
        self._input_size = input_size
        self._bound = False
        self._alike = True
        self._nodes: list[Node] = []
        self._paths: set[str] = set()
        self._labels: dict[str, str] = {}
        self._scope = ""
        self._place: Place = ("", 0, "")
        self._add("input", Input(in_channels), ())

    @property
    def input(self) -> Value:
        """The image."""
        return Value(self, 0, self._nodes[0].channels)

    # Where the pen is

    def scope(self, name: str, label: str = "") -> _Pen:
        """``with g.scope("conv"):`` draws into a module of that name; ``label`` is what printing calls it."""
        pen = _Pen(self, self._scope, self._place)
        self._scope = _join(self._scope, name)
        if label:
            self._labels[self._scope] = label
        return pen

    def at(self, side: str, level: int, slot: str) -> _Pen:
        """``with g.at("encoder", 0, "block"):`` draws that part, so that what it refuses is reported there."""
        pen = _Pen(self, self._scope, self._place)
        self._place = (side, level, slot)
        return pen

    def move(self, scope: str, place: Place) -> None:
        """Puts the pen where it was."""
        self._scope, self._place = scope, place

    def refuse(self, part: Part, option: str, message: str, hint: str = "") -> None:
        """Reports an option that cannot be drawn here; the drawing goes on, to find the rest."""
        self.findings.append(Finding(self._place, part, option, message, hint))

    def per_axis(self, value: Axes) -> Size:
        """One number for each axis."""
        if not isinstance(value, tuple):
            return (value,) * self.dims
        self._alike = self._alike and len(set(value)) == 1
        return value

    # Layers

    def conv(  # noqa: PLR0913  # what torch calls a convolution has so many sides
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
        """A convolution. ``padding`` is ``valid``, or the border mode of a same-size (or exactly divided) output.

        Axes whose two ends need different padding get it from an op before the convolution. ``layer`` names
        an earlier convolution of this drawing whose weights are used again.
        """
        kernel, strides, dilations = self.per_axis(kernel_size), self.per_axis(stride), self.per_axis(dilation)
        border = border_of(kernel, strides, dilations, padding)
        if border.uneven:
            x = self.pad(x, *border.uneven, border.mode, name=f"{name}_pad".lstrip("_"))
        # What the padding op has padded is none of the convolution's own mode.
        mode = border.mode if any(border.even) else "zeros"
        op = Convolution(x.channels, channels, kernel, strides, border.even, dilations, groups, bias, mode, rounding)
        return self._add(name, op, (x,), layer)

    def transposed_conv(
        self,
        x: Value,
        channels: int,
        kernel_size: Axes,
        *,
        name: str = "",
        stride: Axes = 1,
        padding: Axes = 0,
        output_padding: Axes = 0,
        bias: bool = True,
    ) -> Value:
        """A transposed convolution; ``padding`` takes pixels away, as in torch."""
        op = TransposedConvolution(
            x.channels,
            channels,
            self.per_axis(kernel_size),
            self.per_axis(stride),
            self.per_axis(padding),
            self.per_axis(output_padding),
            self.per_axis(1),
            bias=bias,
        )
        return self._add(name, op, (x,))

    def max_pool(self, x: Value, kernel_size: Axes, stride: Axes, rounding: Rounding, name: str = "") -> Value:
        """The maximum under each window."""
        return self._add(name, MaxPooling(self.per_axis(kernel_size), self.per_axis(stride), rounding), (x,))

    def avg_pool(self, x: Value, kernel_size: Axes, stride: Axes, rounding: Rounding, name: str = "") -> Value:
        """The mean under each window."""
        return self._add(name, AvgPooling(self.per_axis(kernel_size), self.per_axis(stride), rounding), (x,))

    def interpolate(self, x: Value, factor: Axes, mode: Mode, align_corners: bool = False, name: str = "") -> Value:
        """A map enlarged by whole factors."""
        return self._add(name, Interpolation(self.per_axis(factor), mode, align_corners), (x,))

    def pixel_shuffle(self, x: Value, factor: Axes, name: str = "") -> Value:
        """Channels turned into pixels."""
        return self._add(name, PixelShuffle(self.per_axis(factor)), (x,))

    def norm(
        self, x: Value, layer: str, arguments: dict[str, Any], *, name: str = "", affine: bool, elements: int = 1
    ) -> Value:
        """A norm layer; ``layer`` with ``{dims}`` in it is one of torch's families."""
        op = Normalization(layer.format(dims=self.dims), x.channels, arguments, affine, elements)
        return self._add(name, op, (x,))

    def activation(self, x: Value, layer: str, arguments: dict[str, Any], *, name: str = "", slopes: int = 0) -> Value:
        """An activation layer, with ``slopes`` learned slopes."""
        return self._add(name, Activation(layer, arguments, slopes), (x,))

    def dropout(self, x: Value, layer: str, rate: float, name: str = "") -> Value:
        """A dropout layer."""
        return self._add(name, Dropping(layer.format(dims=self.dims), rate), (x,))

    # Borders and joints

    def pad(self, x: Value, before: Axes, after: Axes, mode: str = "zeros", name: str = "pad") -> Value:
        """So many pixels more at each end of an axis."""
        return self._add(name, Pad(self.per_axis(before), self.per_axis(after), mode), (x,))

    def crop_to(self, x: Value, other: Value, name: str = "crop") -> Value:
        """The centre of ``x`` in the size of ``other``."""
        return self._add(name, CropTo(), (x, other))

    def pad_to(self, x: Value, other: Value, mode: str = "zeros", name: str = "pad") -> Value:
        """``x`` in the middle of a frame in the size of ``other``."""
        return self._add(name, PadTo(mode), (x, other))

    def resize_to(self, x: Value, other: Value, mode: Mode, align_corners: bool = False, name: str = "resize") -> Value:
        """``x`` interpolated to the size of ``other``."""
        return self._add(name, ResizeTo(mode, align_corners, self.dims), (x, other))

    def concat(self, *values: Value, name: str = "concat") -> Value:
        """Channels behind channels."""
        return self._add(name, Concat(), values)

    def add(self, *values: Value, name: str = "add") -> Value:
        """The sum of maps with equal channels."""
        return self._add(name, Add(), values)

    def multiply(self, *values: Value, name: str = "multiply") -> Value:
        """The product of maps with equal channels."""
        return self._add(name, Multiply(), values)

    # The drawing

    def graph(self, output: Value, name: str = "") -> Graph:
        """The finished drawing."""
        nodes, size = tuple(self._nodes), self._input_size
        return Graph(
            name, self.dims, nodes, output.index, self._labels, self.skips, size, bound=self._bound, alike=self._alike
        )

    def size_of(self, value: Value) -> Size:
        """The size of a map for the spec's input size. Raises SizeMisfit, or ValueError where it has none."""
        if self._input_size is None:
            raise ValueError("a part of this network needs 'input_size'")
        self._bound = True
        return self.graph(value).output_size(self._input_size)

    def _add(self, name: str, op: Op, inputs: Sequence[Value], layer: str = "") -> Value:
        path = _join(self._scope, name)
        if path in self._paths:
            raise ValueError(f"two ops are drawn at {path!r}; give one of them another name")
        self._paths.add(path)
        channels = op.out_channels([value.channels for value in inputs])
        index = len(self._nodes)
        side, level, _ = self._place
        used = _join(self._scope, layer) if layer else path
        node = Node(index, path, used, op, tuple([value.index for value in inputs]), channels, side, level)
        self._nodes.append(node)
        return Value(self, index, channels)


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope and name else scope or name


class _Pen:
    """Where the pen was before a ``with``, to go back there."""

    __slots__ = ("_builder", "_place", "_scope")

    def __init__(self, builder: Builder, scope: str, place: Place) -> None:
        self._builder = builder
        self._scope = scope
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._builder.move(self._scope, self._place)
