"""Ops that keep the shape: norms, activations, dropouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from unetgen.graph.ops.base import Call, Op, Parameter, SavedForBackward, Shape

# What autograd saves for an activation: the output for the first set; for the second the output if it runs in place,
# else the input; the input for all others but Tanhshrink.
_SAVES_OUTPUT = {"nn.ReLU", "nn.Sigmoid", "nn.Tanh", "nn.Softmax", "nn.LogSoftmax"}
_SAVES_INPUT_OR_OUTPUT = {"nn.LeakyReLU", "nn.ELU", "nn.SELU", "nn.CELU"}
_SAVES_EXTRA_MAP = {"nn.RReLU", "nn.Softsign", "nn.LogSigmoid", "nn.Tanhshrink"}
# The in-place forms that reduce training memory too; the others would save a copy of what they overwrite.
_HAS_INPLACE = {"nn.ReLU", *_SAVES_INPUT_OR_OUTPUT}
_CHANNEL_DROPOUTS = {"nn.Dropout1d", "nn.Dropout2d", "nn.Dropout3d"}


@dataclass(frozen=True, slots=True)
class Normalization(Op):
    """A norm layer. ``min_elements`` is the smallest number of pixels for its statistics."""

    target: str
    channels: int
    arguments: Mapping[str, Any]
    affine: bool
    min_elements: int = 1

    kind: ClassVar[str] = "norm"

    @property
    def saved_for_backward(self) -> SavedForBackward:
        return "input"

    def parameters(self) -> tuple[Parameter, ...]:
        shape = (self.channels,)
        return (Parameter("weight", shape, "scale"), Parameter("bias", shape, "shift")) if self.affine else ()

    def to_layer_call(self) -> Call:
        return Call(self.target, self.arguments)


@dataclass(frozen=True, slots=True)
class Activation(Op):
    """An activation layer; ``slopes`` is the number of learned slopes (PReLU)."""

    target: str
    arguments: Mapping[str, Any]
    slopes: int = 0

    kind: ClassVar[str] = "activation"

    @property
    def saved_for_backward(self) -> SavedForBackward:
        if self.target in _SAVES_INPUT_OR_OUTPUT:
            return "either"
        if self.target == "nn.Tanhshrink":
            return ""
        return "output" if self.target in _SAVES_OUTPUT else "input"

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        return prod(outputs) if self.target in _SAVES_EXTRA_MAP else 0

    @property
    def can_run_in_place(self) -> bool:
        """Whether torch has an in-place form that saves memory in training too."""
        return self.target in _HAS_INPLACE and self.arguments.get("negative_slope", 1.0) >= 0

    def parameters(self) -> tuple[Parameter, ...]:
        if not self.slopes:
            return ()
        return (Parameter("weight", (self.slopes,), "slope", start=self.arguments.get("init", 0.25)),)

    def to_layer_call(self) -> Call:
        return Call(self.target, self.arguments)


@dataclass(frozen=True, slots=True)
class Dropout(Op):
    """A dropout layer; in evaluation it returns its input tensor itself."""

    target: str
    rate: float

    kind: ClassVar[str] = "dropout"
    may_alias_input: ClassVar[bool] = True

    def extra_saved_elements(self, inputs: Shape, outputs: Shape) -> int:
        # The mask, with one element per sample, per channel or per value.
        if self.target == "gating_layers.DropPath":
            return outputs[0]
        return prod(outputs[:2]) if self.target in _CHANNEL_DROPOUTS else prod(outputs)

    def to_layer_call(self) -> Call:
        return Call(self.target, {"p": self.rate})
