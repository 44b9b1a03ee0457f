"""Define the blocks of MONAI's MedNeXt."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from unetgen.config.registry.part import Count, Part, Trial
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Stride, Striding, Upsample
from unetgen.graph.size_rule import Rule
from unetgen_monai.sizes import build_window_rule, check_odd

_MODULE = "monai.networks.blocks.mednext_block"

# MONAI's MedNeXt has one kernel size for all axes.
Kernel = Annotated[int, Field(ge=1, le=255), AfterValidator(check_odd)]


class _MedNeXt(Part):
    expansion_ratio: Count = 4
    """The factor by which the first 1x1 convolution increases the channels."""

    kernel_size: Kernel = 7
    use_residual_connection: bool = True
    global_resp_norm: bool = False
    """Whether to use global response normalization (Woo et al. 2023)."""

    def emit_module(self, g: Builder, name: str, x: Value, channels: int, size: Rule, **extra_arguments: Any) -> Value:
        """Emit one of MONAI's blocks.

        Args:
            g: The graph builder.
            name: The name of the block's class.
            x: The input.
            channels: The number of output channels.
            size: The size rule of the block.
            extra_arguments: Arguments that replace or extend the common ones.
        """
        if g.dims == 1:
            g.refuse(self, "type", "MONAI has MedNeXt in 2-D and 3-D only", "use another part, or dims: 2")
        arguments = {
            "in_channels": x.channels,
            "out_channels": channels,
            "expansion_ratio": self.expansion_ratio,
            "kernel_size": self.kernel_size,
            "use_residual_connection": self.use_residual_connection,
            "dim": f"{g.dims}d",
            "global_resp_norm": self.global_resp_norm,
        }
        return g.module(
            self, f"{_MODULE}:{name}", x, channels=channels, size=size, arguments={**arguments, **extra_arguments},
            pixels=self.kernel_size // 2 if size == Rule() and not self.global_resp_norm else None,
        )  # fmt: skip


class MedNeXt(_MedNeXt, Striding):
    """MONAI's MedNeXtBlock: a depthwise convolution, a norm and an inverted bottleneck (Roy et al. 2023).

    With a stride of 2 it is MONAI's MedNeXtDownBlock, whose shortcut is a 1x1 convolution. If only the channels change,
    there is no shortcut.
    """

    type: ClassVar[str] = "monai_mednext"
    trial: ClassVar[Trial] = Trial(frame={"downsample": "next_block"})

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if not stride.changes:
            has_shortcut = self.use_residual_connection and x.channels == channels
            return self.emit_module(g, "MedNeXtBlock", x, channels, Rule(), use_residual_connection=has_shortcut)
        if set(g.per_axis(stride.factor)) != {2}:
            message = "MONAI's MedNeXt has a stride of 2 on every axis"
            g.refuse(self, "type", message, "use a factor of 2, or another block")
        size = build_window_rule(self.kernel_size, 2, self.kernel_size // 2, stride.rounding)
        return self.emit_module(g, "MedNeXtDownBlock", x, channels, size)


class MedNeXtUp(_MedNeXt, Upsample):
    """MONAI's MedNeXtUpBlock: the block with a transposed depthwise convolution doubles the size (Roy et al. 2023)."""

    type: ClassVar[str] = "monai_mednext"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return self.emit_module(g, "MedNeXtUpBlock", x, channels, Rule(factor=2))
