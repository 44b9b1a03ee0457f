"""Blocks that look at a map at several scales beside each other, for the bottleneck or before a head."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.part_types import Activation, Block, Norm
from unetgen.parts.blocks.unit import UNIQUE_ITEMS, validate_unique_steps
from unetgen.parts.layers.activations import Relu
from unetgen.parts.layers.norms import Batch

Rates = Annotated[tuple[Annotated[int, Field(ge=1, le=255)], ...], Field(strict=False, min_length=1, max_length=16)]
StepsAfterConv = Annotated[
    tuple[Literal["norm", "activation"], ...],
    Field(strict=False, json_schema_extra=UNIQUE_ITEMS),
    AfterValidator(validate_unique_steps),
]


class _Pyramid(Block):
    bias: bool = False
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()

    def emit_unit(self, g: Builder, x: Value, channels: int, kernel_size: int, dilation: int = 1) -> Value:
        """Draws a convolution with its norm and activation."""
        x = g.conv(x, channels, kernel_size, name="conv", padding="zeros", dilation=dilation, bias=self.bias)
        return self.activation.emit(g, self.norm.emit(g, x, "norm"), "activation")


class Aspp(_Pyramid):
    """Atrous spatial pyramid pooling: dilated 3x3 convolutions beside each other (Chen et al. 2017).

    With ``pointwise`` a 1x1 convolution and with ``pooled`` the mean of the whole map stand beside them. Their
    concatenation or their sum goes through a 1x1 projection.
    """

    type: ClassVar[str] = "aspp"

    rates: Rates = (6, 12, 18)
    pointwise: bool = True
    pooled: bool = True
    join: Literal["concat", "sum"] = "concat"
    order: StepsAfterConv = ("norm", "activation")
    """Of norm and activation behind each branch's convolution."""

    project: Literal["unit", "conv"] = "unit"
    """A whole unit at the end, or a convolution alone."""

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        made = []
        if self.pointwise:
            with g.scope("pointwise", label="Branch"):
                made.append(self.emit_branch(g, x, channels, 1, 1))
        for number, rate in enumerate(self.rates, 1):
            with g.scope(f"rate{number}", label="Branch"):
                made.append(self.emit_branch(g, x, channels, 3, rate))
        if self.pooled:
            with g.scope("pooled", label="Branch"):
                mean = self.emit_branch(g, g.global_pool(x), channels, 1, 1)
                made.append(g.resize_to(mean, x, "nearest"))
        both = made[0] if len(made) == 1 else g.concat(*made) if self.join == "concat" else g.add(*made)
        with g.scope("project", label="Projection"):
            if self.project == "conv":
                return g.conv(both, channels, 1, name="conv", bias=True)
            return self.emit_unit(g, both, channels, 1)

    def emit_branch(self, g: Builder, x: Value, channels: int, kernel_size: int, rate: int) -> Value:
        """Draws one branch."""
        x = g.conv(x, channels, kernel_size, name="conv", padding="zeros", dilation=rate, bias=self.bias)
        for step in self.order:
            x = getattr(self, step).emit(g, x, step)
        return x


class PyramidPooling(_Pyramid):
    """The means of 1, 2, 3 and 6 parts of each axis, projected and brought back beside the map (Zhao et al. 2017)."""

    type: ClassVar[str] = "pyramid_pooling"

    bins: Rates = (1, 2, 3, 6)
    mode: InterpolationMode = "linear"
    align_corners: bool = False

    def inert(self) -> list[Inert]:
        return [Inert("align_corners", "mode", "nearest takes whole pixels")] if self.mode == "nearest" else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        g.check_mode(self, self.mode)
        share = max(x.channels // len(self.bins), 1)
        made = [x]
        for number, bins in enumerate(self.bins, 1):
            with g.scope(f"bins{number}", label="Branch"):
                small = self.emit_unit(g, g.global_pool(x) if bins == 1 else g.bin_pool(x, bins), share, 1)
                made.append(g.resize_to(small, x, self.mode, self.align_corners))
        with g.scope("project", label="Projection"):
            return self.emit_unit(g, g.concat(*made), channels, 3)
