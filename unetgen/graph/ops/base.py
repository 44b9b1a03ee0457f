"""The base class of ops: output shape, cost, memory and torch layer of a primitive of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from unetgen.graph.size_rule import S, SizeArithmetic

Size = tuple[int, ...]
Interval = tuple[int, int]

# (batch, channels, *size)
Shape = tuple[int, ...]

# Which feature maps autograd saves; "either" is the input, or the output if the op runs in place.
SavedForBackward = Literal["", "input", "inputs", "output", "either", "all"]

# The purpose of a parameter, by which an init chooses its rule. "own" parameters are initialised by their module.
Role = Literal["kernel", "bias", "scale", "shift", "slope", "own"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call as data: a class or function, and its keyword arguments.

    Attributes:
        target: Such as ``nn.Conv2d``, ``layers.CropTo`` or ``package.module:Name``.
        arguments: The keyword arguments.

    Examples:
        >>> Call("nn.Conv2d", {"in_channels": 3}).target
        'nn.Conv2d'
    """

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Parameter(NamedTuple):
    """A learned tensor.

    Attributes:
        name: The name in the layer.
        shape: The shape.
        role: The purpose, by which an init chooses its rule.
        fan_in: For kernels and biases, the number of inputs of one output.
        start: For slopes, the initial value.

    Examples:
        >>> Parameter("weight", (8, 3, 3, 3), "kernel", fan_in=27).role
        'kernel'
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    fan_in: int = 1
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class Op:
    """The base of all ops: one input, shape unchanged, no parameters, no multiply-adds."""

    kind: ClassVar[str]
    """The name in tables and messages."""

    may_alias_input: ClassVar[bool] = False
    """Whether the output can share the input's memory (a view, or the same tensor in evaluation)."""

    has_no_spatial_axes: ClassVar[bool] = False
    """Whether the output has no spatial axes."""

    @property
    def is_global(self) -> bool:
        """Whether an output pixel depends on the whole input, or on an unknown part of it."""
        return False

    def out_channels(self, channels: Sequence[int]) -> int:
        """Return the number of output channels for those of the inputs."""
        return channels[0]

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        """Return the output's size along one axis.

        Args:
            axis: The spatial axis, from 0.
            sizes: The sizes of the inputs along this axis.
            arithmetic: The operations on sizes, which may be integers or symbolic.

        Returns:
            The output's size.

        Raises:
            SizeConstraintError: If an integer size does not fit.
        """
        return sizes[0]

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        """Return the pixels of the first input on which an interval of output pixels depends.

        Args:
            axis: The spatial axis, from 0.
            output_interval: The first and the last output pixel.
            sizes: The sizes of the first input and of the output along this axis.

        Returns:
            The first and the last input pixel; they are not clipped to the input.
        """
        return output_interval

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the learned tensors, in the order in which torch registers them."""
        return ()

    def macs(self, inputs: Size, outputs: Size) -> int:
        """Return the number of multiply-adds for one sample."""
        return 0

    @property
    def saved_for_backward(self) -> SavedForBackward:
        """The feature maps that autograd saves for the backward pass, as torch 2.13 does on a CPU."""
        return ""

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        """Return the number of elements that autograd saves besides inputs and outputs, in units of their dtype."""
        return 0

    def workspace_elements(self, inputs: Shape, outputs: Shape) -> int:
        """Return the number of elements that the op holds while it runs, besides inputs and outputs."""
        return 0

    def to_layer_call(self) -> Call:
        """Return the torch layer that computes the op."""
        raise TypeError(f"op {self.kind!r} has no layer")


@dataclass(frozen=True, slots=True)
class Input(Op):
    """The image."""

    channels: int
    kind: ClassVar[str] = "input"

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels
