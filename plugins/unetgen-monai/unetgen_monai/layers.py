"""Convert norms, activations and dropouts to the names and arguments of MONAI's layer factories."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Inert, Part, Trial
from unetgen.graph.builder import Builder
from unetgen.graph.part_types import Activation, Dropout, Norm
from unetgen.parts.layers import activations, dropouts, norms

NamedLayer = tuple[str, dict[str, Any]]

_NORMS: dict[type[Norm], str] = {norms.Batch: "batch", norms.Instance: "instance", norms.Group: "group"}

_ACTIVATIONS: dict[type[Activation], str] = {
    activations.Relu: "relu",
    activations.LeakyRelu: "leakyrelu",
    activations.Prelu: "prelu",
    activations.Relu6: "relu6",
    activations.Elu: "elu",
    activations.Selu: "selu",
    activations.Celu: "celu",
    activations.Gelu: "gelu",
    activations.Silu: "memswish",  # torch's SiLU; MONAI's "swish" needs memory for one more map
    activations.Mish: "mish",
    activations.Sigmoid: "sigmoid",
    activations.Tanh: "tanh",
}

# MONAI's networks run these in place, and no other layer in its blocks needs their input.
_IN_PLACE = (activations.Relu, activations.LeakyRelu)


class Layers(Part):
    """The norm, activation and dropout after each convolution of a block."""

    trial: ClassVar[Trial] = Trial(others={"dropout": {"type": "element", "rate": 0.5, "place": "every"}})
    supports_channel_dropout: ClassVar[bool] = False
    """Whether MONAI's block supports channel dropout."""

    norm: Annotated[Norm, In("norm")]
    """MONAI's `norm`, in DynUNet `norm_name`: none, batch, instance or group."""

    activation: Annotated[Activation, In("activation")]
    """MONAI's `act`, in DynUNet `act_name`: none, or an activation that MONAI has."""

    dropout: Annotated[Dropout, In("dropout")] = dropouts.NoDropout()
    """Element or alpha dropout, or channel dropout if MONAI supports it; `place: every` with several convolutions."""

    @property
    def has_several_convolutions(self) -> bool:
        """Whether the block has more than one convolution."""
        return True

    @model_validator(mode="after")
    def _check_place(self) -> Layers:
        if self.has_several_convolutions and getattr(self.dropout, "place", "every") == "last":
            message = "MONAI's block has a dropout after every convolution, not only the last"
            hint = "write {type: element, rate: 0.1, place: every} with your rate"
            raise PydanticCustomError("dropout", "{what}", {"what": message, "hint": hint, "at": "dropout"})
        return self

    def inert(self) -> list[Inert]:
        if self.has_several_convolutions or self.dropout.type == "none":
            return []
        return [Inert("dropout.place", "dropout", "the block has one convolution only")]

    def count_norm_elements(self, channels: int) -> int:
        """Return the minimum number of pixels for which the norm is defined in training."""
        norm = self.norm
        if isinstance(norm, norms.Group):
            return 2 if norm.groups in ("channels", channels) or norm.group_size == 1 else 1
        return 2 if isinstance(norm, norms.Instance) or getattr(norm, "track_running_stats", True) is False else 1

    def to_monai_norm(self, g: Builder, channels: int) -> NamedLayer | None:
        """Return MONAI's name and arguments of the norm, or None without a norm."""
        norm = self.norm
        if type(norm) is norms.NoNorm:
            return None
        if type(norm) is norms.Group:
            options = {name: value for name, value in _non_default_arguments(norm).items() if name in ("eps", "affine")}
            return "group", {"num_groups": _count_groups(g, norm, channels), **options}
        if type(norm) not in _NORMS:
            _refuse_unknown(g, self, "norm", [known.type for known in _NORMS])
            return None
        return _NORMS[type(norm)], _non_default_arguments(norm)

    def to_monai_activation(self, g: Builder, channels: int) -> NamedLayer | None:
        """Return MONAI's name and arguments of the activation, or None without an activation."""
        activation = self.activation
        if type(activation) is activations.NoActivation:
            return None
        if type(activation) is activations.Prelu:
            slopes = channels if activation.slopes == "channel" else 1
            return "prelu", {"num_parameters": slopes, "init": activation.start}
        if type(activation) not in _ACTIVATIONS:
            _refuse_unknown(g, self, "activation", [known.type for known in _ACTIVATIONS])
            return None
        in_place = {"inplace": True} if type(activation) in _IN_PLACE else {}
        return _ACTIVATIONS[type(activation)], {**_non_default_arguments(activation), **in_place}

    def to_monai_dropout(self, g: Builder) -> tuple[NamedLayer | None, int]:
        """Return MONAI's name and arguments of the dropout, or None, and its ``dropout_dim``."""
        dropout = self.dropout
        if type(dropout) is dropouts.ElementDropout:
            return ("dropout", {"p": dropout.rate}), 1
        if type(dropout) is dropouts.Alpha:
            return ("alphadropout", {"p": dropout.rate}), 1
        if type(dropout) is dropouts.Channel and self.supports_channel_dropout:
            if g.dims == 1:
                g.refuse(self, "dropout", "MONAI has channel dropout in 2-D and 3-D only", "use element or alpha")
            return ("dropout", {"p": dropout.rate}), g.dims
        if type(dropout) is not dropouts.NoDropout:
            known = ["element", "alpha", *(["channel"] if self.supports_channel_dropout else [])]
            _refuse_unknown(g, self, "dropout", known)
        return None, 1


def _refuse_unknown(g: Builder, part: Layers, option: str, known: list[str]) -> None:
    name = getattr(part, option).type
    message = f"{part.type} does not support {option} {name!r}"
    g.refuse(part, option, message, f"use one of none, {', '.join(known)}")


def _non_default_arguments(part: Part) -> dict[str, Any]:
    """Return the options that differ from torch's defaults; their names are those of torch's arguments."""
    fields = type(part).model_fields
    return {name: getattr(part, name) for name in fields if getattr(part, name) != fields[name].default}


def _count_groups(g: Builder, norm: norms.Group, channels: int) -> int:
    """Return the number of groups, by the rules of unetgen's group norm."""
    divisor = norm.group_size or (channels if norm.groups == "channels" else norm.groups)
    if channels < divisor and norm.few_channels == "one_group":
        return 1
    if channels % divisor:
        divisors = [n for n in range(1, min(channels, 512) + 1) if channels % n == 0]
        option = "group_size" if norm.group_size else "groups"
        hint = f"use one of {', '.join(map(str, divisors))}"
        g.refuse(norm, option, f"{divisor} does not divide {channels} channels", hint)
    return channels // divisor if norm.group_size else divisor
