"""Activations: torch's own, with torch's names for their arguments."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.part import defaults_of
from unetgen.graph.builder import Builder, Value
from unetgen.graph.kinds import Activation

Number = Annotated[float, Field(strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
NotNegative = Annotated[float, Field(ge=0, strict=True)]


class _Torch(Activation):
    """An activation that is one torch layer, its fields the layer's arguments."""

    layer: ClassVar[str]

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, f"nn.{self.layer}", self._arguments(), name=name)

    def _arguments(self) -> dict[str, Any]:
        given = vars(self)
        if not given:
            return given
        defaults = defaults_of(type(self))
        return {name: value for name, value in given.items() if value != defaults[name]}


class NoActivation(Activation):
    """No activation."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return x


class Relu(_Torch):
    """max(0, x)."""

    type: ClassVar[str] = "relu"
    layer: ClassVar[str] = "ReLU"


class LeakyRelu(_Torch):
    """x, or negative_slope * x below zero (Maas et al. 2013)."""

    type: ClassVar[str] = "leaky_relu"
    layer: ClassVar[str] = "LeakyReLU"

    negative_slope: NotNegative = 0.01


class Prelu(Activation):
    """A leaky ReLU with a learned slope (He et al. 2015): one for all channels, or one for each."""

    type: ClassVar[str] = "prelu"

    slopes: Literal["shared", "channel"] = "shared"
    start: Number = 0.25

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        slopes = x.channels if self.slopes == "channel" else 1
        arguments = {"num_parameters": slopes, "init": self.start}
        return g.activation(x, "nn.PReLU", arguments, name=name, slopes=slopes)


class Rrelu(_Torch):
    """A leaky ReLU whose slope is drawn at random while training (Xu et al. 2015)."""

    type: ClassVar[str] = "rrelu"
    layer: ClassVar[str] = "RReLU"

    lower: NotNegative = 1 / 8
    upper: NotNegative = 1 / 3

    @model_validator(mode="after")
    def _check_bounds(self) -> Rrelu:
        _in_order("lower", self.lower, "upper", self.upper)
        return self


class Relu6(_Torch):
    """min(max(0, x), 6)."""

    type: ClassVar[str] = "relu6"
    layer: ClassVar[str] = "ReLU6"


class Elu(_Torch):
    """alpha * (exp(x) - 1) below zero (Clevert et al. 2016)."""

    type: ClassVar[str] = "elu"
    layer: ClassVar[str] = "ELU"

    alpha: Positive = 1.0


class Selu(_Torch):
    """The self-normalising ELU (Klambauer et al. 2017)."""

    type: ClassVar[str] = "selu"
    layer: ClassVar[str] = "SELU"


class Celu(_Torch):
    """An ELU whose slope is continuous for every alpha (Barron 2017)."""

    type: ClassVar[str] = "celu"
    layer: ClassVar[str] = "CELU"

    alpha: Positive = 1.0


class Gelu(_Torch):
    """x times the normal distribution's share below x (Hendrycks and Gimpel 2016)."""

    type: ClassVar[str] = "gelu"
    layer: ClassVar[str] = "GELU"

    approximate: Literal["none", "tanh"] = "none"


class Silu(_Torch):
    """x * sigmoid(x), also called swish (Elfwing et al. 2018)."""

    type: ClassVar[str] = "silu"
    layer: ClassVar[str] = "SiLU"


class Mish(_Torch):
    """x * tanh(softplus(x)) (Misra 2020)."""

    type: ClassVar[str] = "mish"
    layer: ClassVar[str] = "Mish"


class Hardswish(_Torch):
    """A piecewise SiLU (Howard et al. 2019)."""

    type: ClassVar[str] = "hardswish"
    layer: ClassVar[str] = "Hardswish"


class Hardsigmoid(_Torch):
    """A piecewise sigmoid."""

    type: ClassVar[str] = "hardsigmoid"
    layer: ClassVar[str] = "Hardsigmoid"


class Hardtanh(_Torch):
    """x, cut off at both ends."""

    type: ClassVar[str] = "hardtanh"
    layer: ClassVar[str] = "Hardtanh"

    min_val: Number = -1.0
    max_val: Number = 1.0

    @model_validator(mode="after")
    def _check_bounds(self) -> Hardtanh:
        _in_order("min_val", self.min_val, "max_val", self.max_val)
        return self


class Hardshrink(_Torch):
    """x, and zero within lambd of zero."""

    type: ClassVar[str] = "hardshrink"
    layer: ClassVar[str] = "Hardshrink"

    lambd: NotNegative = 0.5


class Softshrink(_Torch):
    """x moved towards zero by lambd."""

    type: ClassVar[str] = "softshrink"
    layer: ClassVar[str] = "Softshrink"

    lambd: NotNegative = 0.5


class Tanhshrink(_Torch):
    """x - tanh(x)."""

    type: ClassVar[str] = "tanhshrink"
    layer: ClassVar[str] = "Tanhshrink"


class Softplus(_Torch):
    """log(1 + exp(beta * x)) / beta, and x itself above the threshold."""

    type: ClassVar[str] = "softplus"
    layer: ClassVar[str] = "Softplus"

    beta: Positive = 1.0
    threshold: Number = 20.0


class Softsign(_Torch):
    """x / (1 + |x|)."""

    type: ClassVar[str] = "softsign"
    layer: ClassVar[str] = "Softsign"


class Sigmoid(_Torch):
    """1 / (1 + exp(-x))."""

    type: ClassVar[str] = "sigmoid"
    layer: ClassVar[str] = "Sigmoid"


class LogSigmoid(_Torch):
    """log(sigmoid(x))."""

    type: ClassVar[str] = "log_sigmoid"
    layer: ClassVar[str] = "LogSigmoid"


class Tanh(_Torch):
    """The hyperbolic tangent."""

    type: ClassVar[str] = "tanh"
    layer: ClassVar[str] = "Tanh"


class Threshold(Activation):
    """x above the threshold, else a fixed value."""

    type: ClassVar[str] = "threshold"

    threshold: Number
    value: Number

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, "nn.Threshold", {"threshold": self.threshold, "value": self.value}, name=name)


class Softmax(Activation):
    """Shares of one over the channels; for a head."""

    type: ClassVar[str] = "softmax"

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, "nn.Softmax", {"dim": 1}, name=name)


class LogSoftmax(Activation):
    """The logarithm of softmax over the channels; for a head."""

    type: ClassVar[str] = "log_softmax"

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return g.activation(x, "nn.LogSoftmax", {"dim": 1}, name=name)


def _in_order(low_name: str, low: float, high_name: str, high: float) -> None:
    if low >= high:
        what = f"{low_name} {low:g} is not below {high_name} {high:g}"
        raise PydanticCustomError("bounds", "{what}", {"what": what, "at": high_name})
