"""Op: a primitive of the graph. What it makes of shapes, what it costs, and which torch layer it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from unetgen.graph.size_rule import S, SizeArithmetic

Size = tuple[int, ...]
Interval = tuple[int, int]

# (batch, channels, *size)
Shape = tuple[int, ...]

# Which whole maps autograd keeps; "either" is the input, or the output where the op runs in place.
SavedForBackward = Literal["", "input", "inputs", "output", "either", "all"]

# What a parameter is for; an init speaks of roles, not of layers. What is "own" is started by its own module.
Role = Literal["kernel", "bias", "scale", "shift", "slope", "own"]


@dataclass(frozen=True, slots=True)
class Call:
    """A torch layer as data: what to call, and with which arguments. ``nn.Conv2d``, ``layers.Crop``."""

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Parameter(NamedTuple):
    """A learned tensor: its name in the layer, its shape and its role.

    ``fan_in`` is how many inputs feed one output (kernels and biases), ``start`` where a slope starts.
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
    """What people call it, in tables and messages."""

    may_alias_input: ClassVar[bool] = False
    """Whether the output can be the input's memory (a view, or the same tensor in evaluation)."""

    has_no_spatial_axes: ClassVar[bool] = False
    """Whether the output has no spatial axes."""

    @property
    def is_global(self) -> bool:
        """Whether every output pixel looks at the whole input, or nobody knows how far it looks."""
        return False

    def out_channels(self, channels: Sequence[int]) -> int:
        """The channels that come out."""
        return channels[0]

    def output_size_along(self, axis: int, sizes: Sequence[S], arithmetic: SizeArithmetic[S]) -> S:
        """The output's size along one axis."""
        return sizes[0]

    def input_interval(self, axis: int, output_interval: Interval, sizes: tuple[int, int]) -> Interval:
        """Which pixels of the first input an interval of output pixels depends on, borders not clipped.

        ``sizes`` are the first input's and the output's along this axis.
        """
        return output_interval

    def parameters(self) -> tuple[Parameter, ...]:
        """The learned tensors, in the order in which torch registers them."""
        return ()

    def macs(self, inputs: Size, outputs: Size) -> int:
        """Multiply-adds for one sample."""
        return 0

    @property
    def saved_for_backward(self) -> SavedForBackward:
        """Which whole maps autograd keeps for the backward pass, as torch 2.13 does on a CPU."""
        return ""

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        """How many values autograd keeps beside whole inputs and outputs, in units of the maps' own type."""
        return 0

    def workspace_elements(self, inputs: Shape, outputs: Shape) -> int:
        """How many values the op holds while it runs, beside inputs and outputs."""
        return 0

    def to_call(self) -> Call:
        """The torch layer."""
        raise TypeError(f"{self.kind} runs nothing")


@dataclass(frozen=True, slots=True)
class Input(Op):
    """The image."""

    channels: int
    kind: ClassVar[str] = "input"

    def out_channels(self, channels: Sequence[int]) -> int:
        return self.channels
