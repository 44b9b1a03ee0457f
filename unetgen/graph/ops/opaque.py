"""Ops that are ordinary modules of somebody else, wrapped whole: their sizes are declared, their costs measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from unetgen.errors import PluginError
from unetgen.graph.algebra import Algebra, Numbers, Rule, S
from unetgen.graph.ops.base import Call, Interval, Kept, Op, Parameter, Shape, Size
from unetgen.graph.ops.convolution import window_reach
from unetgen.graph.ops.instrument import Measurement, instrument

_FAULT = "this is a fault of the part that drew it"


@dataclass(frozen=True, slots=True)
class Sizing:
    """What becomes of a size, axis by axis: it must be a multiple, and then follows a rule."""

    rules: tuple[Rule, ...]
    multiple: Size

    def along(self, axis: int, size: S, algebra: Algebra[S], called: str) -> S:
        """The size that comes out along one axis."""
        if self.multiple[axis] > 1:
            parts = algebra.apply(size, Rule(divisor=self.multiple[axis], residue=0), called)
            size = algebra.apply(parts, Rule(factor=self.multiple[axis]), called)
        return algebra.apply(size, self.rules[axis], called)


class Window(NamedTuple):
    """The input pixels behind an output pixel along one axis, as a convolution has them."""

    extent: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, slots=True)
class Opaque(Op):
    """A module with one output. ``target`` is ``package.module:Class``, or a function that returns a module.

    ``first`` are arguments that are given only where the network gets its first weights: a file of pretrained ones.
    ``pixels`` is how far it looks to either side of a pixel, where anybody said so.
    """

    target: str
    arguments: Mapping[str, Any]
    in_channels: tuple[int, ...]
    channels: int
    sizing: Sizing
    pixels: int | tuple[Window, ...] | None
    first: Mapping[str, Any] = field(default_factory=dict)
    elements: int = 1
    """How many pixels its norms need to have a statistic."""
    called: str = field(default="module", repr=False, compare=False)
    origin: str = field(default="", repr=False, compare=False)
    """Which part of whose plugin drew it where: ``encoder.0.mixer: block 'mixer' of acme-unet 1.2``."""

    kind: ClassVar[str] = "module"

    @property
    def everywhere(self) -> bool:
        return self.pixels is None

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels

    def along(self, axis: int, sizes: Sequence[S], algebra: Algebra[S]) -> S:
        return self.sizing.along(axis, algebra.same(sizes, self.called), algebra, self.called)

    def reach(self, axis: int, interval: Interval, sizes: tuple[int, int]) -> Interval:
        if isinstance(self.pixels, tuple):
            return window_reach(interval, *self.pixels[axis])
        before, after = sizes
        low, high = (end * before // after for end in interval)
        return low - (self.pixels or 0), high + (before // after or 1) - 1 + (self.pixels or 0)

    def parameters(self) -> tuple[Parameter, ...]:
        return instrument().parameters(self.call(), self.origin)

    def macs(self, inputs: Size, outputs: Size) -> int:
        return self.measured(inputs, outputs).macs

    @property
    def kept(self) -> Kept:
        return "all"

    def kept_values(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * self.measured(inputs[2:], outputs[2:]).kept

    def working_values(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * self.measured(inputs[2:], outputs[2:]).working

    def call(self) -> Call:
        return Call(self.target, self.arguments)

    def measured(self, inputs: Size, outputs: Size) -> Measurement:
        """What torch says of it for inputs of one size. Raises PluginError where it makes something else of them."""
        given = tuple((channels, *inputs) for channels in self.in_channels)
        found = instrument().measured(self.call(), given, self.origin)
        self.check(found, inputs, outputs)
        return found

    def check(self, found: Measurement, inputs: Size, outputs: Size) -> None:
        """Holds what it claims against what it did."""
        _check_shape(found.shapes[0], (self.channels, *outputs), inputs, self.origin)


@dataclass(frozen=True, slots=True)
class OpaqueBundle(Opaque):
    """A module that returns several values; each is taken out of it by an op of its own."""

    pieces: tuple[Taking, ...] = ()

    kind: ClassVar[str] = "modules"
    aliases: ClassVar[bool] = True  # it has no memory beside that of its values

    def out_channels(self, channels: Sequence[int]) -> int:
        return channels[0]

    def along(self, axis: int, sizes: Sequence[S], algebra: Algebra[S]) -> S:
        return algebra.same(sizes, self.called)

    def reach(self, axis: int, interval: Interval, sizes: tuple[int, int]) -> Interval:
        return interval

    @property
    def kept(self) -> Kept:
        return "inputs"

    def check(self, found: Measurement, inputs: Size, outputs: Size) -> None:
        if len(found.shapes) != len(self.pieces):
            message = f"it says that it returns {len(self.pieces)} maps and returns {len(found.shapes)}"
            raise PluginError(f"{self.origin}: {message}; {_FAULT}")
        for made, piece in zip(found.shapes, self.pieces, strict=True):
            size = tuple(piece.along(axis, [n], Numbers()) for axis, n in enumerate(inputs))
            _check_shape(made, (piece.channels, *size), inputs, self.origin)


@dataclass(frozen=True, slots=True)
class Taking(Op):
    """One of the values of a bundle; its size follows from the bundle's input."""

    index: int
    channels: int
    sizing: Sizing
    called: str = field(default="module", repr=False, compare=False)

    kind: ClassVar[str] = "take"

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels

    def along(self, axis: int, sizes: Sequence[S], algebra: Algebra[S]) -> S:
        return self.sizing.along(axis, sizes[0], algebra, self.called)

    @property
    def everywhere(self) -> bool:
        return True

    def call(self) -> Call:
        return Call("layers.Take", {"index": self.index})


def _check_shape(made: Shape, claimed: Shape, inputs: Size, origin: str) -> None:
    if made != claimed:
        size, shape, said = (" x ".join(map(str, numbers)) for numbers in (inputs, made, claimed))
        message = f"of {size} pixels it makes {shape}, and says {said}"
        raise PluginError(f"{origin}: {message}; {_FAULT}")
