"""Norms. Options and defaults are torch's own."""

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
    """Over the batch and all pixels, by channel (Ioffe and Szegedy 2015)."""

    type: ClassVar[str] = "batch"

    eps: Epsilon = 1e-5
    momentum: Share = 0.1
    affine: bool = True
    track_running_stats: bool = True

    def inert(self) -> list[Inert]:
        return _inert_momentum(self.track_running_stats)

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        arguments = non_default_arguments(self, num_features=x.channels)
        # Without running statistics the batch's own are used in evaluation too, and one value has none.
        elements = 1 if self.track_running_stats else 2
        return g.norm(x, "nn.BatchNorm{dims}d", arguments, name=name, affine=self.affine, elements=elements)


class Instance(Norm):
    """Over the pixels of each sample, by channel (Ulyanov et al. 2016). It needs more than one pixel."""

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
    """Over the pixels and a group of channels of each sample (Wu and He 2018)."""

    type: ClassVar[str] = "group"

    groups: Annotated[
        Literal["channels"] | Annotated[int, Field(ge=1, le=65_536)], Field(union_mode="left_to_right")
    ] = 8
    """How many groups; ``channels`` makes one of each."""

    group_size: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """How many channels a group has, in place of how many groups there are."""

    few_channels: Literal["refuse", "one_group"] = "refuse"
    """What is done where there are fewer channels than groups, or than one group has."""

    eps: Epsilon = 1e-5
    affine: bool = True

    def inert(self) -> list[Inert]:
        found = [Inert("groups", "group_size", "the size of a group is given")] if self.group_size else []
        if self.groups in (1, "channels") or self.group_size == 1:
            because = "groups" if self.groups in (1, "channels") else "group_size"
            found.append(Inert("few_channels", because, "there are always enough"))
        return found

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        option = "group_size" if self.group_size else "groups"
        # How many groups there are and how large one is divide the channels alike.
        wanted = self.group_size or (x.channels if self.groups == "channels" else self.groups)
        few = x.channels < wanted and self.few_channels == "one_group"
        if x.channels % wanted and not few:
            divisors = [n for n in range(1, min(x.channels, 512) + 1) if x.channels % n == 0]
            hint = f"use one of {', '.join(map(str, divisors))}"
            g.refuse(self, option, f"{wanted} does not divide {x.channels} channels", hint)
        groups = 1 if few else x.channels // wanted if self.group_size else wanted
        arguments = {"num_groups": groups, "num_channels": x.channels, **non_default_arguments(self)}
        for own in ("groups", "group_size", "few_channels"):
            arguments.pop(own, None)
        elements = 2 if x.channels == groups else 1
        return g.norm(x, "nn.GroupNorm", arguments, name=name, affine=self.affine, elements=elements)


class Layer(Norm):
    """Over the channels of each pixel (Ba et al. 2016, in the form of ConvNeXt, Liu et al. 2022).

    Over channels and pixels at once is ``{type: group, groups: 1}``.
    """

    type: ClassVar[str] = "layer"

    eps: Epsilon = 1e-5
    affine: bool = True

    def emit(self, g: Builder, x: Value, name: str) -> Value:
        arguments = non_default_arguments(self, channels=x.channels)
        return g.norm(x, "layers.ChannelLayerNorm", arguments, name=name, affine=self.affine)


def non_default_arguments(norm: Norm, **extra: Any) -> dict[str, Any]:
    """The layer's arguments: those given, and the options that are not at torch's defaults."""
    defaults = get_option_defaults(type(norm))
    return {**extra, **{name: value for name in defaults if (value := getattr(norm, name)) != defaults[name]}}


def _inert_momentum(track_running_stats: bool) -> list[Inert]:
    return [] if track_running_stats else [Inert("momentum", "track_running_stats", "no running statistics are kept")]
