"""Activations: those of torch, with torch's names for their arguments."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.registry.part import get_option_defaults
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation

Number = Annotated[float, Field(strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
NotNegative = Annotated[float, Field(ge=0, strict=True)]


class _TorchActivation(Activation):
    """An activation that is one torch layer; its fields are the layer's arguments."""

    layer: ClassVar[str]

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, f"nn.{self.layer}", self._layer_arguments(), name=name)

    def _layer_arguments(self) -> dict[str, Any]:
        options = vars(self)
        if not options:
            return options
        defaults = get_option_defaults(type(self))
        return {name: value for name, value in options.items() if value != defaults[name]}


class NoActivation(Activation):
    """No activation."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return x


class Relu(_TorchActivation):
    """The rectified linear unit: max(0, x)."""

    type: ClassVar[str] = "relu"
    layer: ClassVar[str] = "ReLU"


class LeakyRelu(_TorchActivation):
    """Leaky ReLU: x above zero, negative_slope * x below (Maas et al. 2013)."""

    type: ClassVar[str] = "leaky_relu"
    layer: ClassVar[str] = "LeakyReLU"

    negative_slope: NotNegative = 0.01


class Prelu(Activation):
    """A leaky ReLU with a learned slope, shared or one per channel (He et al. 2015)."""

    type: ClassVar[str] = "prelu"

    slopes: Literal["shared", "channel"] = "shared"
    start: Number = 0.25

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        slopes = x.channels if self.slopes == "channel" else 1
        arguments = {"num_parameters": slopes, "init": self.start}
        return g.activation(x, "nn.PReLU", arguments, name=name, slopes=slopes)


class Rrelu(_TorchActivation):
    """A leaky ReLU with a random slope during training (Xu et al. 2015)."""

    type: ClassVar[str] = "rrelu"
    layer: ClassVar[str] = "RReLU"

    lower: NotNegative = 1 / 8
    upper: NotNegative = 1 / 3

    @model_validator(mode="after")
    def _check_bounds(self) -> Rrelu:
        _require_ascending("lower", self.lower, "upper", self.upper)
        return self


class Relu6(_TorchActivation):
    """ReLU limited to 6: min(max(0, x), 6)."""

    type: ClassVar[str] = "relu6"
    layer: ClassVar[str] = "ReLU6"


class Elu(_TorchActivation):
    """The exponential linear unit: alpha * (exp(x) - 1) below zero (Clevert et al. 2016)."""

    type: ClassVar[str] = "elu"
    layer: ClassVar[str] = "ELU"

    alpha: Positive = 1.0


class Selu(_TorchActivation):
    """The self-normalising ELU (Klambauer et al. 2017)."""

    type: ClassVar[str] = "selu"
    layer: ClassVar[str] = "SELU"


class Celu(_TorchActivation):
    """An ELU that is continuously differentiable for every alpha (Barron 2017)."""

    type: ClassVar[str] = "celu"
    layer: ClassVar[str] = "CELU"

    alpha: Positive = 1.0


class Gelu(_TorchActivation):
    """x * Phi(x), with the standard normal distribution function Phi (Hendrycks and Gimpel 2016)."""

    type: ClassVar[str] = "gelu"
    layer: ClassVar[str] = "GELU"

    approximate: Literal["none", "tanh"] = "none"


class Silu(_TorchActivation):
    """x * sigmoid(x), also called swish (Elfwing et al. 2018)."""

    type: ClassVar[str] = "silu"
    layer: ClassVar[str] = "SiLU"


class Mish(_TorchActivation):
    """x * tanh(softplus(x)) (Misra 2020)."""

    type: ClassVar[str] = "mish"
    layer: ClassVar[str] = "Mish"


class Hardswish(_TorchActivation):
    """A piecewise approximation of SiLU (Howard et al. 2019)."""

    type: ClassVar[str] = "hardswish"
    layer: ClassVar[str] = "Hardswish"


class Hardsigmoid(_TorchActivation):
    """A piecewise linear approximation of the sigmoid."""

    type: ClassVar[str] = "hardsigmoid"
    layer: ClassVar[str] = "Hardsigmoid"


class Hardtanh(_TorchActivation):
    """x limited to [min_val, max_val]."""

    type: ClassVar[str] = "hardtanh"
    layer: ClassVar[str] = "Hardtanh"

    min_val: Number = -1.0
    max_val: Number = 1.0

    @model_validator(mode="after")
    def _check_bounds(self) -> Hardtanh:
        _require_ascending("min_val", self.min_val, "max_val", self.max_val)
        return self


class Hardshrink(_TorchActivation):
    """x, set to zero if abs(x) <= lambd."""

    type: ClassVar[str] = "hardshrink"
    layer: ClassVar[str] = "Hardshrink"

    lambd: NotNegative = 0.5


class Softshrink(_TorchActivation):
    """x shrunk towards zero by lambd."""

    type: ClassVar[str] = "softshrink"
    layer: ClassVar[str] = "Softshrink"

    lambd: NotNegative = 0.5


class Tanhshrink(_TorchActivation):
    """x - tanh(x)."""

    type: ClassVar[str] = "tanhshrink"
    layer: ClassVar[str] = "Tanhshrink"


class Softplus(_TorchActivation):
    """log(1 + exp(beta * x)) / beta; x itself if beta * x exceeds the threshold."""

    type: ClassVar[str] = "softplus"
    layer: ClassVar[str] = "Softplus"

    beta: Positive = 1.0
    threshold: Number = 20.0


class Softsign(_TorchActivation):
    """x / (1 + |x|)."""

    type: ClassVar[str] = "softsign"
    layer: ClassVar[str] = "Softsign"


class Sigmoid(_TorchActivation):
    """The logistic sigmoid: 1 / (1 + exp(-x))."""

    type: ClassVar[str] = "sigmoid"
    layer: ClassVar[str] = "Sigmoid"


class LogSigmoid(_TorchActivation):
    """log(sigmoid(x))."""

    type: ClassVar[str] = "log_sigmoid"
    layer: ClassVar[str] = "LogSigmoid"


class Tanh(_TorchActivation):
    """The hyperbolic tangent."""

    type: ClassVar[str] = "tanh"
    layer: ClassVar[str] = "Tanh"


class Threshold(Activation):
    """x above the threshold, a fixed value otherwise."""

    type: ClassVar[str] = "threshold"

    threshold: Number
    value: Number

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, "nn.Threshold", {"threshold": self.threshold, "value": self.value}, name=name)


class Softmax(Activation):
    """Softmax over the channels; for heads."""

    type: ClassVar[str] = "softmax"

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, "nn.Softmax", {"dim": 1}, name=name)


class LogSoftmax(Activation):
    """The logarithm of the softmax over the channels; for heads."""

    type: ClassVar[str] = "log_softmax"

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, "nn.LogSoftmax", {"dim": 1}, name=name)


def _require_ascending(low_name: str, low: float, high_name: str, high: float) -> None:
    if low >= high:
        what = f"{low_name} {low:g} is not below {high_name} {high:g}"
        raise PydanticCustomError("bounds", "{what}", {"what": what, "at": high_name})
