"""Blocks that process a feature map at several scales in parallel, for the bottleneck or a head."""

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
        """Emit a convolution with its norm and activation."""
        x = g.conv(x, channels, kernel_size, name="conv", padding="zeros", dilation=dilation, bias=self.bias)
        return self.activation.emit(g, self.norm.emit(g, x, "norm"), "activation")


class Aspp(_Pyramid):
    """Atrous spatial pyramid pooling: parallel dilated 3x3 convolutions (Chen et al. 2017).

    ``pointwise`` adds a branch with a 1x1 convolution, ``pooled`` one with the global mean. The concatenation or sum
    of all branches goes through a 1x1 projection.
    """

    type: ClassVar[str] = "aspp"

    rates: Rates = (6, 12, 18)
    pointwise: bool = True
    pooled: bool = True
    join: Literal["concat", "sum"] = "concat"
    order: StepsAfterConv = ("norm", "activation")
    """The order of norm and activation after the convolution of each branch."""

    project: Literal["unit", "conv"] = "unit"
    """The projection: a convolution with norm and activation (unit), or without (conv)."""

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        branches = []
        if self.pointwise:
            with g.scope("pointwise", label="Branch"):
                branches.append(self.emit_branch(g, x, channels, 1, 1))
        for number, rate in enumerate(self.rates, 1):
            with g.scope(f"rate{number}", label="Branch"):
                branches.append(self.emit_branch(g, x, channels, 3, rate))
        if self.pooled:
            with g.scope("pooled", label="Branch"):
                mean = self.emit_branch(g, g.global_pool(x), channels, 1, 1)
                branches.append(g.resize_to(mean, x, "nearest"))
        joined = branches[0]
        if len(branches) > 1:
            joined = g.concat(*branches) if self.join == "concat" else g.add(*branches)
        with g.scope("project", label="Projection"):
            if self.project == "conv":
                return g.conv(joined, channels, 1, name="conv", bias=True)
            return self.emit_unit(g, joined, channels, 1)

    def emit_branch(self, g: Builder, x: Value, channels: int, kernel_size: int, rate: int) -> Value:
        """Emit one branch: a dilated convolution, then norm and activation in ``order``."""
        x = g.conv(x, channels, kernel_size, name="conv", padding="zeros", dilation=rate, bias=self.bias)
        for step in self.order:
            x = getattr(self, step).emit(g, x, step)
        return x


class PyramidPooling(_Pyramid):
    """Pyramid pooling: means over several numbers of bins per axis, concatenated (Zhao et al. 2017).

    The input is concatenated with its projected and resized means; a 3x3 unit follows.
    """

    type: ClassVar[str] = "pyramid_pooling"

    bins: Rates = (1, 2, 3, 6)
    """The number of bins per axis of each pooling."""

    mode: InterpolationMode = "linear"
    align_corners: bool = False

    def inert(self) -> list[Inert]:
        return [Inert("align_corners", "mode", "mode 'nearest' ignores it")] if self.mode == "nearest" else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        g.check_mode(self, self.mode)
        branch_width = max(x.channels // len(self.bins), 1)
        branches = [x]
        for number, bins in enumerate(self.bins, 1):
            with g.scope(f"bins{number}", label="Branch"):
                pooled = g.global_pool(x) if bins == 1 else g.bin_pool(x, bins)
                pooled = self.emit_unit(g, pooled, branch_width, 1)
                branches.append(g.resize_to(pooled, x, self.mode, self.align_corners))
        with g.scope("project", label="Projection"):
            return self.emit_unit(g, g.concat(*branches), channels, 3)
