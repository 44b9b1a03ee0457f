"""Define the block of MONAI's BasicUNet."""

from __future__ import annotations

from typing import Annotated, ClassVar

from unetgen.config.part_field import In
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Block, Norm
from unetgen.parts.layers.activations import LeakyRelu
from unetgen.parts.layers.norms import Instance
from unetgen_monai.layers import Layers


class TwoConv(Layers, Block):
    """MONAI's TwoConv, the block of its BasicUNet: two 3x3 convolutions in sequence (Falk et al. 2019)."""

    type: ClassVar[str] = "monai_two_conv"

    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Instance(affine=True)
    activation: Annotated[Activation, In("activation")] = LeakyRelu(negative_slope=0.1)

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return g.module(
            self,
            "monai.networks.nets.basic_unet:TwoConv",
            x,
            channels=channels,
            pixels=2,
            elements=self.count_norm_elements(channels),
            arguments={
                "spatial_dims": g.dims,
                "in_chns": x.channels,
                "out_chns": channels,
                "act": self.to_monai_activation(g, channels),
                "norm": self.to_monai_norm(g, channels),
                "bias": self.bias,
                "dropout": self.to_monai_dropout(g)[0],
            },
        )
