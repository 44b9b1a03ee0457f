"""Define the blocks of MONAI's DynUNet, its version of nnU-Net's network."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator

from unetgen.config.part_field import In
from unetgen.config.registry.part import Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Norm, Stride, Striding
from unetgen.parts.layers.activations import LeakyRelu
from unetgen.parts.layers.norms import Instance
from unetgen_monai.layers import Layers
from unetgen_monai.sizes import build_receptive_window, build_window_rule, check_odd


class _DynUNet(Layers, Striding):
    """Two convolutions without bias, each followed by a dropout, a norm and an activation."""

    target: ClassVar[str]

    kernel_size: Annotated[Kernel, AfterValidator(check_odd)] = 3
    norm: Annotated[Norm, In("norm")] = Instance(affine=True)
    activation: Annotated[Activation, In("activation")] = LeakyRelu()

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        kernel, strides = g.per_axis(self.kernel_size), g.per_axis(stride.factor)
        for size, step in zip(kernel, strides, strict=True):
            if size < step - 1:
                message = f"{size} is too small for a stride of {step}"
                g.refuse(self, "kernel_size", message, f"use at least {(step - 1) | 1}")
        # MONAI pads each end by half of kernel - stride + 1 pixels, rounded down.
        axes = [(size, step, (size - step + 1) // 2) for size, step in zip(kernel, strides, strict=True)]
        return g.module(
            self,
            self.target,
            x,
            channels=channels,
            size=tuple(build_window_rule(*axis, stride.rounding) for axis in axes),
            pixels=tuple(build_receptive_window(*axis, count=2) for axis in axes),
            elements=self.count_norm_elements(channels),
            arguments={
                "spatial_dims": g.dims,
                "in_channels": x.channels,
                "out_channels": channels,
                "kernel_size": kernel,
                "stride": strides,
                "norm_name": self.to_monai_norm(g, channels) or "",
                "act_name": self.to_monai_activation(g, channels) or "",
                "dropout": self.to_monai_dropout(g)[0],
            },
        )


class UnetBasic(_DynUNet):
    """MONAI's UnetBasicBlock: two convolutions in sequence (Isensee et al. 2021), the first of them strided."""

    type: ClassVar[str] = "monai_unet_basic"
    target: ClassVar[str] = "monai.networks.blocks.dynunet_block:UnetBasicBlock"


class UnetRes(_DynUNet):
    """MONAI's UnetResBlock: the same with a shortcut, and one activation module for both places (Isensee et al. 2021).

    The input is added before the last activation; if the channels or the size change, the shortcut is a 1x1 convolution
    with a norm.
    """

    type: ClassVar[str] = "monai_unet_res"
    target: ClassVar[str] = "monai.networks.blocks.dynunet_block:UnetResBlock"

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        max_stride = max(g.per_axis(stride.factor))
        if max_stride > 2:
            message = f"the shortcut of MONAI's residual block has a stride of at most 2, not {max_stride}"
            g.refuse(self, "type", message, "use a smaller factor, or monai_unet_basic")
        return super().emit_strided(g, x, channels, stride)
