"""Initialisations: choose a function of ``torch.nn.init`` for each parameter.

Scales of norms are initialised to one, their shifts and all biases to zero; only ``torch_default`` has random biases.
For transposed convolutions the fan-in is the second axis of the weight, as in torch.
"""

from __future__ import annotations

from abc import abstractmethod
from math import sqrt
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from unetgen.config.registry.part import Inert
from unetgen.graph.ops import Call, Parameter
from unetgen.graph.part_types import Init

Number = Annotated[float, Field(strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
Fan = Literal["fan_in", "fan_out"]

_ONES, _ZEROS = Call("nn.init.ones_"), Call("nn.init.zeros_")


class _KernelInit(Init):
    """Initialises kernels by ``kernel_rule``, and all other parameters with constants."""

    def rule(self, parameter: Parameter) -> Call:
        if parameter.role == "kernel":
            return self.kernel_rule()
        if parameter.role == "slope":
            return Call("nn.init.constant_", {"val": parameter.start})
        return _ONES if parameter.role == "scale" else _ZEROS

    @abstractmethod
    def kernel_rule(self) -> Call:
        """Return the function that initialises a kernel."""


class TorchDefault(_KernelInit):
    """The default of torch: U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for kernels and biases."""

    type: ClassVar[str] = "torch_default"

    def rule(self, parameter: Parameter) -> Call:
        if parameter.role == "bias":
            bound = 1 / sqrt(parameter.fan_in)
            return Call("nn.init.uniform_", {"a": -bound, "b": bound})
        return super().rule(parameter)

    def kernel_rule(self) -> Call:
        return Call("nn.init.kaiming_uniform_", {"a": sqrt(5)})


class _HeInit(_KernelInit):
    mode: Fan = "fan_in"
    nonlinearity: Literal["relu", "leaky_relu", "linear"] = "relu"
    negative_slope: Annotated[float, Field(ge=0, strict=True)] = 0.0

    def inert(self) -> list[Inert]:
        if self.nonlinearity == "leaky_relu":
            return []
        return [Inert("negative_slope", "nonlinearity", f"{self.nonlinearity} has no slope")]

    def _call_arguments(self) -> dict[str, Any]:
        return {"a": self.negative_slope, "mode": self.mode, "nonlinearity": self.nonlinearity}


class HeNormal(_HeInit):
    """N(0, gain^2 / fan) (He et al. 2015); by default N(0, 2 / fan_in), as in section 3 of the U-Net paper."""

    type: ClassVar[str] = "he_normal"

    def kernel_rule(self) -> Call:
        return Call("nn.init.kaiming_normal_", self._call_arguments())


class HeUniform(_HeInit):
    """A uniform distribution with variance gain^2 / fan (He et al. 2015)."""

    type: ClassVar[str] = "he_uniform"

    def kernel_rule(self) -> Call:
        return Call("nn.init.kaiming_uniform_", self._call_arguments())


class XavierNormal(_KernelInit):
    """N(0, gain^2 * 2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""

    type: ClassVar[str] = "xavier_normal"

    gain: Positive = 1.0

    def kernel_rule(self) -> Call:
        return Call("nn.init.xavier_normal_", {"gain": self.gain})


class XavierUniform(_KernelInit):
    """A uniform distribution with variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""

    type: ClassVar[str] = "xavier_uniform"

    gain: Positive = 1.0

    def kernel_rule(self) -> Call:
        return Call("nn.init.xavier_uniform_", {"gain": self.gain})


class Orthogonal(_KernelInit):
    """Orthogonal kernels (Saxe et al. 2014)."""

    type: ClassVar[str] = "orthogonal"

    gain: Positive = 1.0

    def kernel_rule(self) -> Call:
        return Call("nn.init.orthogonal_", {"gain": self.gain})


class Normal(_KernelInit):
    """N(mean, std^2)."""

    type: ClassVar[str] = "normal"

    mean: Number = 0.0
    std: Positive = 0.02

    def kernel_rule(self) -> Call:
        return Call("nn.init.normal_", {"mean": self.mean, "std": self.std})
