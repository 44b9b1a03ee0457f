"""Ops that wrap third-party modules: their sizes are declared, their costs are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from unetgen.errors import PluginError
from unetgen.graph.external.module_profile import ModuleProfile
from unetgen.graph.ops.base import Call, Interval, Op, Parameter, SavedForBackward, Shape, Size
from unetgen.graph.ops.convolution import window_input_interval
from unetgen.graph.size_rule import IntegerSizes, Rule, S, SizeArithmetic

_PART_BUG_HINT = "this is a bug in the part that added it"


@dataclass(frozen=True, slots=True)
class SizeSpec:
    """The size rule of a module: the input size must be a multiple, the output size follows a rule per axis."""

    rules: tuple[Rule, ...]
    multiple: Size

    def output_size_along(self, axis: int, size: S, arithmetic: SizeArithmetic[S], op_name: str) -> S:
        """Return the output size along one axis."""
        if self.multiple[axis] > 1:
            parts = arithmetic.apply(size, Rule(divisor=self.multiple[axis], residue=0), op_name)
            size = arithmetic.apply(parts, Rule(factor=self.multiple[axis]), op_name)
        return arithmetic.apply(size, self.rules[axis], op_name)


class Window(NamedTuple):
    """The input pixels on which an output pixel depends along one axis, as for a convolution.

    Attributes:
        extent: The number of pixels.
        stride: The distance between the windows of adjacent output pixels.
        padding: The pixels by which the first window starts before the input.

    Examples:
        >>> Window(extent=7, stride=2, padding=3).stride
        2
    """

    extent: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, slots=True)
class ExternalModule(Op):
    """A third-party module with one output.

    Attributes:
        target: ``package.module:Name`` of a module class, or of a function that returns a module.
        arguments: Its keyword arguments.
        in_channels: The channels of each input.
        channels: The channels of the output.
        size_spec: The output's size.
        pixels: How far the module looks to either side of a pixel, or a window per axis; None if unknown.
        initial_arguments: Further arguments for new models only, such as pretrained weights.
    """

    target: str
    arguments: Mapping[str, Any]
    in_channels: tuple[int, ...]
    channels: int
    size_spec: SizeSpec
    pixels: int | tuple[Window, ...] | None
    initial_arguments: Mapping[str, Any] = field(default_factory=dict)
    min_elements: int = 1
    """The smallest number of pixels for the module's norms."""
    display_name: str = field(default="module", repr=False, compare=False)
    origin: str = field(default="", repr=False, compare=False)
    """The module's path, part and provider: ``encoder.0.mixer: block 'mixer' of acme-unet 1.2``."""

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
        from unetgen.graph.external import measurement  # imports torch

        return measurement.read_parameters(self.to_layer_call(), self.origin)

    def macs(self, inputs: Size, outputs: Size) -> int:
        return self.profile(inputs, outputs).macs

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "all"

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * self.profile(inputs[2:], outputs[2:]).extra_saved_elements

    def workspace_elements(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * self.profile(inputs[2:], outputs[2:]).workspace_elements

    def to_layer_call(self) -> Call:
        return Call(self.target, self.arguments)

    def profile(self, inputs: Size, outputs: Size) -> ModuleProfile:
        """Return the measured shapes and costs for one input size. Raises PluginError if a declared shape is wrong."""
        from unetgen.graph.external import measurement  # imports torch

        shapes = tuple((channels, *inputs) for channels in self.in_channels)
        profile = measurement.profile_module(self.to_layer_call(), shapes, self.origin)
        self.check_profile(profile, inputs, outputs)
        return profile

    def check_profile(self, profile: ModuleProfile, inputs: Size, outputs: Size) -> None:
        """Check the measured shapes against the declared ones."""
        _check_shape(profile.shapes[0], (self.channels, *outputs), inputs, self.origin)


@dataclass(frozen=True, slots=True)
class MultiOutputModule(ExternalModule):
    """A third-party module with several outputs; a ``SelectOutput`` op selects each of them."""

    selected_outputs: tuple[SelectOutput, ...] = ()

    kind: ClassVar[str] = "modules"
    may_alias_input: ClassVar[bool] = True  # only its selected outputs have memory

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
            message = f"{len(self.selected_outputs)} outputs are declared, but the module returns {len(profile.shapes)}"
            raise PluginError(f"{self.origin}: {message}; {_PART_BUG_HINT}")
        for shape, output in zip(profile.shapes, self.selected_outputs, strict=True):
            size = tuple(output.output_size_along(axis, [n], IntegerSizes()) for axis, n in enumerate(inputs))
            _check_shape(shape, (output.channels, *size), inputs, self.origin)


@dataclass(frozen=True, slots=True)
class SelectOutput(Op):
    """One output of a module with several; its size follows from the module's input."""

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

    def to_layer_call(self) -> Call:
        return Call("layers.SelectOutput", {"index": self.index})


def _check_shape(actual: Shape, declared: Shape, inputs: Size, origin: str) -> None:
    if actual != declared:
        input_size, shape, expected = (" x ".join(map(str, numbers)) for numbers in (inputs, actual, declared))
        message = f"for {input_size} pixels the module returns {shape}, but {expected} is declared"
        raise PluginError(f"{origin}: {message}; {_PART_BUG_HINT}")
