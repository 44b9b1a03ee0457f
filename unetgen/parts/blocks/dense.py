"""Blocks that choose their own number of output channels: dense and multi-resolution blocks."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Block, Norm, Stride
from unetgen.parts.blocks.unit import Units
from unetgen.parts.layers.activations import Relu
from unetgen.parts.layers.norms import Batch


class Dense(Units):
    """Densely connected units; the level's width is the growth rate (Huang et al. 2017).

    Each unit reads the outputs of all earlier ones. The block outputs its input channels plus ``repeats`` times the
    width (all), or only the latter (new).
    """

    type: ClassVar[str] = "dense"

    output: Literal["all", "new"] = "all"

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if stride.changes:
            return Block.emit_strided(self, g, x, channels, stride)
        outputs: list[Value] = []
        for number in range(1, self.repeats + 1):
            y = self.emit_unit(g, x, channels, number, last=number == self.repeats)
            if self.padding == "valid" and self.kernel_size != 1:
                x = g.crop_to(x, y, name=f"crop{number}")
                outputs = [g.crop_to(output, y, name=f"crop{number}_{i}") for i, output in enumerate(outputs, 1)]
            outputs.append(y)
            x = g.concat(x, y, name=f"concat{number}") if self.output == "all" or number < self.repeats else x
        if self.output == "all":
            return x
        return g.concat(*outputs, name="new") if len(outputs) > 1 else outputs[0]


# The values of the authors' code; 1 / 6 and 1 / 3 would round differently at some widths.
_WIDTH_SHARES = (0.167, 0.333, 0.5)


class MultiResolution(Block):
    """Three chained 3x3 convolutions, concatenated, with a 1x1 shortcut: MultiResUNet (Ibtehaz and Rahman 2020).

    Their channels are a sixth, a third and a half of ``alpha`` times the width, each rounded down; the block outputs
    the total of the three.
    """

    type: ClassVar[str] = "multi_resolution"

    alpha: Annotated[float, Field(gt=0, le=16, strict=True)] = 1.67
    kernel_size: Kernel = 3
    padding: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        widths = [max(int(self.alpha * channels * share), 1) for share in _WIDTH_SHARES]
        shortcut = g.conv(x, sum(widths), 1, name="shortcut", bias=self.bias)
        shortcut = self.norm.emit(g, shortcut, "shortcut_norm")
        outputs = []
        for number, width in enumerate(widths, 1):
            x = g.conv(x, width, self.kernel_size, name=f"conv{number}", padding=self.padding, bias=self.bias)
            x = self.activation.emit(g, self.norm.emit(g, x, f"norm{number}"), f"activation{number}")
            outputs.append(x)
        x = self.norm.emit(g, g.concat(*outputs), "concat_norm")
        x = self.norm.emit(g, g.add(x, shortcut), "sum_norm")
        return self.activation.emit(g, x, "sum_activation")
