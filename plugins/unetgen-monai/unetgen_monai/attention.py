"""MONAI's squeeze and excitation, and the gate of its AttentionUnet."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unetgen.config.registry.part import Channels, Count
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Attention, Transform

ActivationName = Literal[
    "relu", "leakyrelu", "prelu", "relu6", "elu", "selu", "celu", "gelu", "swish", "mish", "sigmoid", "tanh"
]  # fmt: skip


class SqueezeExcite(Attention):
    """MONAI's ChannelSELayer: a gate for each channel from all channels' means (Hu et al. 2018).

    MONAI's ResidualSELayer is ``{add_residual: true, acti_type_1: leakyrelu, acti_type_2: relu}``.
    """

    type: ClassVar[str] = "monai_se"

    r: Count = 2
    """How many times fewer channels stand between the two linear layers."""

    acti_type_1: ActivationName = "relu"
    """Behind the first linear layer, by MONAI's name."""

    acti_type_2: ActivationName = "sigmoid"
    """Behind the second."""

    add_residual: bool = False
    """Whether the map itself is added to what the gate lets through."""

    def emit(self, g: Builder, x: Value) -> Value:
        if self.r > x.channels:
            g.refuse(self, "r", f"{x.channels} channels divided by {self.r} leave none", f"use at most {x.channels}")
        arguments = {
            "spatial_dims": g.dims,
            "in_channels": x.channels,
            "r": self.r,
            "acti_type_1": self.acti_type_1,
            "acti_type_2": self.acti_type_2,
            "add_residual": self.add_residual,
        }
        target = "monai.networks.blocks.squeeze_and_excitation:ChannelSELayer"
        return g.module(self, target, x, channels=x.channels, arguments=arguments)


class AttentionGate(Transform):
    """MONAI's AttentionBlock: the upsampled map says which pixels of the skip count (Oktay et al. 2018)."""

    type: ClassVar[str] = "monai_attention_gate"

    f_int: Annotated[Literal["half"] | Channels, Field(union_mode="left_to_right")] = "half"
    """The channels in which both maps are added: half the skip's, as in AttentionUnet, or a number."""

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        inner = self.f_int if isinstance(self.f_int, int) else max(skip.channels // 2, 1)
        return g.module(
            self,
            "monai.networks.nets.attentionunet:AttentionBlock",
            upsampled,
            skip,
            channels=skip.channels,
            pixels=0,
            arguments={"spatial_dims": g.dims, "f_int": inner, "f_g": upsampled.channels, "f_l": skip.channels},
        )
