"""Ops that leave the shape alone: norms, activations, dropouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from unetgen.graph.ops.base import Call, Kept, Op, Parameter, Shape

# What autograd keeps of an activation: its output for these, and for those with an in-place form the input or,
# in place, the output; its input for all others but Tanhshrink.
_FROM_OUTPUT = {"nn.ReLU", "nn.Sigmoid", "nn.Tanh", "nn.Softmax", "nn.LogSoftmax"}
_EITHER = {"nn.LeakyReLU", "nn.ELU", "nn.SELU", "nn.CELU"}
_MAP_OF_ITS_OWN = {"nn.RReLU", "nn.Softsign", "nn.LogSigmoid", "nn.Tanhshrink"}
# The in-place forms that save memory in training too; the others would keep a copy of what they overwrite.
_HAS_INPLACE = {"nn.ReLU", *_EITHER}
_BY_CHANNEL = {"nn.Dropout1d", "nn.Dropout2d", "nn.Dropout3d"}


@dataclass(frozen=True, slots=True)
class Normalization(Op):
    """A norm layer. ``elements`` is how many values each statistic needs at least."""

    layer: str
    channels: int
    arguments: Mapping[str, Any]
    affine: bool
    elements: int = 1

    kind: ClassVar[str] = "norm"

    @property
    def kept(self) -> Kept:
        return "input"

    def parameters(self) -> tuple[Parameter, ...]:
        shape = (self.channels,)
        return (Parameter("weight", shape, "scale"), Parameter("bias", shape, "shift")) if self.affine else ()

    def call(self) -> Call:
        return Call(self.layer, self.arguments)


@dataclass(frozen=True, slots=True)
class Activation(Op):
    """An activation layer; ``slopes`` is the number of learned slopes (PReLU)."""

    layer: str
    arguments: Mapping[str, Any]
    slopes: int = 0

    kind: ClassVar[str] = "activation"

    @property
    def kept(self) -> Kept:
        if self.layer in _EITHER:
            return "either"
        if self.layer == "nn.Tanhshrink":
            return ""
        return "output" if self.layer in _FROM_OUTPUT else "input"

    def kept_values(self, inputs: Shape, outputs: Shape) -> int:
        return prod(outputs) if self.layer in _MAP_OF_ITS_OWN else 0

    @property
    def can_overwrite(self) -> bool:
        """Whether torch has an in-place form that saves memory in training too."""
        return self.layer in _HAS_INPLACE and self.arguments.get("negative_slope", 1.0) >= 0

    def parameters(self) -> tuple[Parameter, ...]:
        if not self.slopes:
            return ()
        return (Parameter("weight", (self.slopes,), "slope", start=self.arguments.get("init", 0.25)),)

    def call(self) -> Call:
        return Call(self.layer, self.arguments)


@dataclass(frozen=True, slots=True)
class Dropping(Op):
    """A dropout layer; in evaluation it hands on the very tensor it got."""

    layer: str
    rate: float

    kind: ClassVar[str] = "dropout"
    aliases: ClassVar[bool] = True

    def kept_values(self, inputs: Shape, outputs: Shape) -> int:
        # The mask: of whole samples, of whole channels, or of single values.
        if self.layer == "attention.DropPath":
            return outputs[0]
        return prod(outputs[:2]) if self.layer in _BY_CHANNEL else prod(outputs)

    def call(self) -> Call:
        return Call(self.layer, {"p": self.rate})
