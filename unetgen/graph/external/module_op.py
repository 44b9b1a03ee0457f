"""Ops that are ordinary modules of somebody else, wrapped whole: their sizes are declared, their costs measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from unetgen.errors import PluginError
from unetgen.graph.external.module_profile import ModuleProfile
from unetgen.graph.ops.base import Call, Interval, Op, Parameter, SavedForBackward, Shape, Size
from unetgen.graph.ops.convolution import window_input_interval
from unetgen.graph.size_rule import IntegerSizes, Rule, S, SizeArithmetic

_PART_BUG_HINT = "this is a fault of the part that drew it"


@dataclass(frozen=True, slots=True)
class SizeSpec:
    """What becomes of a size, axis by axis: it must be a multiple, and then follows a rule."""

    rules: tuple[Rule, ...]
    multiple: Size

    def output_size_along(self, axis: int, size: S, arithmetic: SizeArithmetic[S], op_name: str) -> S:
        """The size that comes out along one axis."""
        if self.multiple[axis] > 1:
            parts = arithmetic.apply(size, Rule(divisor=self.multiple[axis], residue=0), op_name)
            size = arithmetic.apply(parts, Rule(factor=self.multiple[axis]), op_name)
        return arithmetic.apply(size, self.rules[axis], op_name)


class Window(NamedTuple):
    """The input pixels behind an output pixel along one axis, as a convolution has them."""

    extent: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, slots=True)
class ExternalModule(Op):
    """A module with one output. ``target`` is ``package.module:Class``, or a function that returns a module.

    ``first`` are arguments that are given only where the network gets its first weights: a file of pretrained ones.
    ``pixels`` is how far it looks to either side of a pixel, where anybody said so.
    """

    target: str
    arguments: Mapping[str, Any]
    in_channels: tuple[int, ...]
    channels: int
    size_spec: SizeSpec
    pixels: int | tuple[Window, ...] | None
    initial_arguments: Mapping[str, Any] = field(default_factory=dict)
    min_elements: int = 1
    """How many pixels its norms need to have a statistic."""
    display_name: str = field(default="module", repr=False, compare=False)
    origin: str = field(default="", repr=False, compare=False)
    """Which part of whose plugin drew it where: ``encoder.0.mixer: block 'mixer' of acme-unet 1.2``."""

    kind: ClassVar[str] = "module"

    @property
    def is_global(self) -> bool:
        return self.pixels is None

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return self.size_spec.output_size_along(
            axis, arithmetic.require_equal(sizes, self.display_name), arithmetic, self.display_name
        )

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        if isinstance(self.pixels, tuple):
            return window_input_interval(output_interval, *self.pixels[axis])
        before, after = sizes
        low, high = (end * before // after for end in output_interval)
        return low - (self.pixels or 0), high + (before // after or 1) - 1 + (self.pixels or 0)

    def parameters(self) -> tuple[Parameter, ...]:
        from unetgen.graph.external import measurement  # torch, when a cost is asked for

        return measurement.read_parameters(self.to_call(), self.origin)

    def macs(self, inputs: Size, outputs: Size) -> int:
        return self.profile(inputs, outputs).macs

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "all"

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * self.profile(inputs[2:], outputs[2:]).extra_saved_elements

    def workspace_elements(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * self.profile(inputs[2:], outputs[2:]).workspace_elements

    def to_call(self) -> Call:
        return Call(self.target, self.arguments)

    def profile(self, inputs: Size, outputs: Size) -> ModuleProfile:
        """What torch says of it for inputs of one size. Raises PluginError where it makes something else of them."""
        given = tuple((channels, *inputs) for channels in self.in_channels)
        from unetgen.graph.external import measurement  # torch, when a cost is asked for

        found = measurement.profile_module(self.to_call(), given, self.origin)
        self.check_profile(found, inputs, outputs)
        return found

    def check_profile(self, profile: ModuleProfile, inputs: Size, outputs: Size) -> None:
        """Holds what it claims against what it did."""
        _check_shape(profile.shapes[0], (self.channels, *outputs), inputs, self.origin)


@dataclass(frozen=True, slots=True)
class MultiOutputModule(ExternalModule):
    """A module that returns several values; each is taken out of it by an op of its own."""

    selected_outputs: tuple[SelectOutput, ...] = ()

    kind: ClassVar[str] = "modules"
    may_alias_input: ClassVar[bool] = True  # it has no memory beside that of its values

    def out_channels(self, channels: Sequence[int]) -> int:
        return channels[0]

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return arithmetic.require_equal(sizes, self.display_name)

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        return output_interval

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "inputs"

    def check_profile(self, profile: ModuleProfile, inputs: Size, outputs: Size) -> None:
        if len(profile.shapes) != len(self.selected_outputs):
            message = f"it says that it returns {len(self.selected_outputs)} maps and returns {len(profile.shapes)}"
            raise PluginError(f"{self.origin}: {message}; {_PART_BUG_HINT}")
        for made, piece in zip(profile.shapes, self.selected_outputs, strict=True):
            size = tuple(piece.output_size_along(axis, [n], IntegerSizes()) for axis, n in enumerate(inputs))
            _check_shape(made, (piece.channels, *size), inputs, self.origin)


@dataclass(frozen=True, slots=True)
class SelectOutput(Op):
    """One of the values of a bundle; its size follows from the bundle's input."""

    index: int
    channels: int
    size_spec: SizeSpec
    display_name: str = field(default="module", repr=False, compare=False)

    kind: ClassVar[str] = "take"

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        return self.size_spec.output_size_along(axis, sizes[0], arithmetic, self.display_name)

    @property
    def is_global(self) -> bool:
        return True

    def to_call(self) -> Call:
        return Call("layers.SelectOutput", {"index": self.index})


def _check_shape(actual: Shape, declared: Shape, inputs: Size, origin: str) -> None:
    if actual != declared:
        size, shape, said = (" x ".join(map(str, numbers)) for numbers in (inputs, actual, declared))
        message = f"of {size} pixels it makes {shape}, and says {said}"
        raise PluginError(f"{origin}: {message}; {_PART_BUG_HINT}")
