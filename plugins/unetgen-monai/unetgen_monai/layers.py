"""A spec's norm, activation and dropout as MONAI's layer factories take them: a name and torch's arguments."""

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
    activations.Silu: "memswish",  # torch's own; what MONAI calls swish keeps a map more
    activations.Mish: "mish",
    activations.Sigmoid: "sigmoid",
    activations.Tanh: "tanh",
}

# MONAI's networks run these in place, and nothing inside its blocks needs what they write over.
_IN_PLACE = (activations.Relu, activations.LeakyRelu)


class Layers(Part):
    """What stands behind each convolution of a block."""

    trial: ClassVar[Trial] = Trial(others={"dropout": {"type": "element", "rate": 0.5, "place": "every"}})
    supports_channel_dropout: ClassVar[bool] = False
    """Whether MONAI hands on that whole channels are dropped."""

    norm: Annotated[Norm, In("norm")]
    """MONAI's `norm`, in DynUNet `norm_name`: none, batch, instance or group."""

    activation: Annotated[Activation, In("activation")]
    """MONAI's `act`, in DynUNet `act_name`: none, or one of those that MONAI has too."""

    dropout: Annotated[Dropout, In("dropout")] = dropouts.NoDropout()
    """Of elements or alpha, or of channels where MONAI hands that on; behind several convolutions `place: every`."""

    @property
    def has_several_convolutions(self) -> bool:
        """Whether there is more than one convolution to drop behind."""
        return True

    @model_validator(mode="after")
    def _check_place(self) -> Layers:
        if self.has_several_convolutions and getattr(self.dropout, "place", "every") == "last":
            what = "MONAI drops behind every convolution, not behind the last one alone"
            hint = "write {type: element, rate: 0.1, place: every} with your rate"
            raise PydanticCustomError("dropout", "{what}", {"what": what, "hint": hint, "at": "dropout"})
        return self

    def inert(self) -> list[Inert]:
        if self.has_several_convolutions or self.dropout.type == "none":
            return []
        return [Inert("dropout.place", "dropout", "there is one place only")]

    def count_norm_elements(self, channels: int) -> int:
        """How many pixels the norm needs for a statistic of its own."""
        norm = self.norm
        if isinstance(norm, norms.Group):
            return 2 if norm.groups in ("channels", channels) or norm.group_size == 1 else 1
        return 2 if isinstance(norm, norms.Instance) or getattr(norm, "track_running_stats", True) is False else 1

    def to_monai_norm(self, g: Builder, channels: int) -> NamedLayer | None:
        """MONAI's name and arguments of the norm over so many channels; None where there is none."""
        norm = self.norm
        if type(norm) is norms.NoNorm:
            return None
        if type(norm) is norms.Group:
            kept = {name: value for name, value in _non_default_arguments(norm).items() if name in ("eps", "affine")}
            return "group", {"num_groups": _count_groups(g, norm, channels), **kept}
        if type(norm) not in _NORMS:
            _refuse_unknown(g, self, "norm", [known.type for known in _NORMS])
            return None
        return _NORMS[type(norm)], _non_default_arguments(norm)

    def to_monai_activation(self, g: Builder, channels: int) -> NamedLayer | None:
        """MONAI's name and arguments of the activation; None where there is none."""
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
        """MONAI's name and arguments of the dropout, and its `dropout_dim`; None where there is none."""
        dropout = self.dropout
        if type(dropout) is dropouts.ElementDropout:
            return ("dropout", {"p": dropout.rate}), 1
        if type(dropout) is dropouts.Alpha:
            return ("alphadropout", {"p": dropout.rate}), 1
        if type(dropout) is dropouts.Channel and self.supports_channel_dropout:
            if g.dims == 1:
                g.refuse(self, "dropout", "MONAI drops whole channels in 2-D and 3-D only", "use element or alpha")
            return ("dropout", {"p": dropout.rate}), g.dims
        if type(dropout) is not dropouts.NoDropout:
            _refuse_unknown(
                g, self, "dropout", ["element", "alpha", *(["channel"] if self.supports_channel_dropout else [])]
            )
        return None, 1


def _refuse_unknown(g: Builder, part: Layers, option: str, known: list[str]) -> None:
    name = getattr(part, option).type
    g.refuse(part, option, f"{part.type} takes no {option} {name!r}", f"use one of none, {', '.join(known)}")


def _non_default_arguments(part: Part) -> dict[str, Any]:
    """The options that are not at torch's defaults; they are called as torch calls its arguments."""
    fields = type(part).model_fields
    return {name: getattr(part, name) for name in fields if getattr(part, name) != fields[name].default}


def _count_groups(g: Builder, norm: norms.Group, channels: int) -> int:
    """How many groups there are, by the rules of unetgen's own group norm."""
    wanted = norm.group_size or (channels if norm.groups == "channels" else norm.groups)
    if channels < wanted and norm.few_channels == "one_group":
        return 1
    if channels % wanted:
        divisors = [n for n in range(1, min(channels, 512) + 1) if channels % n == 0]
        option = "group_size" if norm.group_size else "groups"
        hint = f"use one of {', '.join(map(str, divisors))}"
        g.refuse(norm, option, f"{wanted} does not divide {channels} channels", hint)
    return channels // wanted if norm.group_size else wanted
