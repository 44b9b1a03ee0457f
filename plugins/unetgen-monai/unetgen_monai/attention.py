"""Define MONAI's squeeze-and-excitation attention, and the gate of its AttentionUnet."""

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
    """The factor by which the first linear layer reduces the channels."""

    acti_type_1: ActivationName = "relu"
    """The activation after the first linear layer, by MONAI's name."""

    acti_type_2: ActivationName = "sigmoid"
    """The activation after the second linear layer."""

    add_residual: bool = False
    """Whether the input is added to the gated map."""

    def emit(self, g: Builder, x: Value) -> Value:
        if self.r > x.channels:
            message, hint = f"{self.r} is larger than the {x.channels} channels", f"use at most {x.channels}"
            g.refuse(self, "r", message, hint)
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
    """MONAI's AttentionBlock: the upsampled map gates the pixels of the skip (Oktay et al. 2018)."""

    type: ClassVar[str] = "monai_attention_gate"

    f_int: Annotated[Literal["half"] | Channels, Field(union_mode="left_to_right")] = "half"
    """The number of inner channels, in which both maps are added: a number, or half the skip's as in AttentionUnet."""

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        inner_channels = self.f_int if isinstance(self.f_int, int) else max(skip.channels // 2, 1)
        return g.module(
            self,
            "monai.networks.nets.attentionunet:AttentionBlock",
            upsampled,
            skip,
            channels=skip.channels,
            pixels=0,
            arguments={
                "spatial_dims": g.dims,
                "f_int": inner_channels,
                "f_g": upsampled.channels,
                "f_l": skip.channels,
            },
        )
