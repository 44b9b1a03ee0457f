"""Normalisation layers, with the options and defaults of torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from unetgen.config.registry.part import Inert, get_option_defaults
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Norm

Epsilon = Annotated[float, Field(gt=0, le=1, strict=True)]
Share = Annotated[float, Field(gt=0, le=1, strict=True)]


class NoNorm(Norm):
    """No norm."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        return x


class Batch(Norm):
    """Batch norm: statistics over batch and pixels, per channel (Ioffe and Szegedy 2015)."""

    type: ClassVar[str] = "batch"

    eps: Epsilon = 1e-5
    momentum: Share = 0.1
    affine: bool = True
    track_running_stats: bool = True

    def inert(self) -> list[Inert]:
        return _inert_momentum(self.track_running_stats)

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        arguments = non_default_arguments(self, num_features=x.channels)
        # Without running statistics, evaluation also uses those of the batch, which need two elements.
        elements = 1 if self.track_running_stats else 2
        return g.norm(x, "nn.BatchNorm{dims}d", arguments, name=name, affine=self.affine, elements=elements)


class Instance(Norm):
    """Instance norm: statistics over the pixels of a sample, per channel (Ulyanov et al. 2016).

    It needs more than one pixel.
    """

    type: ClassVar[str] = "instance"

    eps: Epsilon = 1e-5
    momentum: Share = 0.1
    affine: bool = False
    track_running_stats: bool = False

    def inert(self) -> list[Inert]:
        return _inert_momentum(self.track_running_stats)

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        arguments = non_default_arguments(self, num_features=x.channels)
        return g.norm(x, "nn.InstanceNorm{dims}d", arguments, name=name, affine=self.affine, elements=2)


class Group(Norm):
    """Group norm: statistics over the pixels and a group of channels of a sample (Wu and He 2018)."""

    type: ClassVar[str] = "group"

    groups: Annotated[
        Literal["channels"] | Annotated[int, Field(ge=1, le=65_536)], Field(union_mode="left_to_right")
    ] = 8
    """The number of groups; ``channels`` gives each channel its own group."""

    group_size: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """The number of channels in a group, instead of the number of groups."""

    few_channels: Literal["refuse", "one_group"] = "refuse"
    """With fewer channels than ``groups`` or ``group_size``: report an error, or use one group."""

    eps: Epsilon = 1e-5
    affine: bool = True

    def inert(self) -> list[Inert]:
        inert = [Inert("groups", "group_size", "group_size decides the groups")] if self.group_size else []
        if self.groups in (1, "channels") or self.group_size == 1:
            because = "groups" if self.groups in (1, "channels") else "group_size"
            inert.append(Inert("few_channels", because, "there are always enough channels"))
        return inert

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        # Both the number of groups and the size of a group must divide the number of channels.
        divisor = self.group_size or (x.channels if self.groups == "channels" else self.groups)
        is_single_group = x.channels < divisor and self.few_channels == "one_group"
        if x.channels % divisor and not is_single_group:
            divisors = [n for n in range(1, min(x.channels, 512) + 1) if x.channels % n == 0]
            message = f"{divisor} does not divide {x.channels} channels"
            hint = f"use one of {', '.join(map(str, divisors))}"
            g.refuse(self, "group_size" if self.group_size else "groups", message, hint)
        groups = 1 if is_single_group else x.channels // divisor if self.group_size else divisor
        arguments = {"num_groups": groups, "num_channels": x.channels, **non_default_arguments(self)}
        for option in ("groups", "group_size", "few_channels"):
            arguments.pop(option, None)
        elements = 2 if x.channels == groups else 1
        return g.norm(x, "nn.GroupNorm", arguments, name=name, affine=self.affine, elements=elements)


class Layer(Norm):
    """Layer norm over the channels of each pixel (Ba et al. 2016), as in ConvNeXt (Liu et al. 2022).

    ``{type: group, groups: 1}`` normalises over channels and pixels together.
    """

    type: ClassVar[str] = "layer"

    eps: Epsilon = 1e-5
    affine: bool = True

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        arguments = non_default_arguments(self, channels=x.channels)
        return g.norm(x, "layers.ChannelLayerNorm", arguments, name=name, affine=self.affine)


def non_default_arguments(norm: Norm, **extra: Any) -> dict[str, Any]:
    """Return the layer's arguments: ``extra`` and the options that differ from torch's defaults."""
    defaults = get_option_defaults(type(norm))
    return {**extra, **{name: value for name in defaults if (value := getattr(norm, name)) != defaults[name]}}


def _inert_momentum(track_running_stats: bool) -> list[Inert]:
    return [] if track_running_stats else [Inert("momentum", "track_running_stats", "no running statistics are kept")]
