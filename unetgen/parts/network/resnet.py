"""The ResNet encoders of torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from unetgen.config.part_field import In
from unetgen.config.spec import EncoderLevel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Encoder, Features, Norm, Stride, Striding
from unetgen.parts.blocks.bottleneck import Bottleneck
from unetgen.parts.blocks.convolutional import Residual
from unetgen.parts.layers.activations import Relu
from unetgen.parts.layers.norms import Batch

# The number of blocks in each of the four stages (He et al. 2016, table 1); from 50 layers on they are bottlenecks.
_BLOCKS_PER_STAGE = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_WIDTHS = (64, 128, 256, 512)


class ResNet(Encoder):
    """A ResNet with 18 to 152 layers (He et al. 2016), identical to torchvision's, so that its weights can be loaded.

    Level 0 is the image itself, level 1 the output of the 7x7 stem at half its size, and the stages follow; the last
    stage is the bottleneck's input. ``output_stride`` 16 or 8 replaces the stride of the last one or two stages by
    dilation.
    """

    type: ClassVar[str] = "resnet"
    uses: ClassVar[tuple[str, ...]] = ()

    layers: Literal[18, 34, 50, 101, 152] = 34
    output_stride: Literal[8, 16, 32] = 32
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()

    @property
    def own_depth(self) -> int:
        return 5

    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel], bottom_width: int | None) -> Features:
        maps = [x]
        for level in range(1, len(levels) + 1):
            with g.at("encoder", level, "encoder"), g.scope(str(level), label="Stem" if level == 1 else "Stage"):
                maps.append(self._emit_stem(g, maps[-1]) if level == 1 else self._emit_stage(g, maps[-1], level - 2))
        return Features(maps[:-1], [None] * len(levels), maps[-1])

    def _emit_stem(self, g: Builder, x: Value) -> Value:
        x = g.conv(x, 64, 7, name="conv", stride=2, padding="zeros", bias=False, rounding="floor")
        return self.activation.emit(g, self.norm.emit(g, x, "norm"), "activation")

    def _emit_stage(self, g: Builder, x: Value, stage: int) -> Value:
        if stage == 0:
            x = g.max_pool(x, 3, 2, "floor", name="pool", padding=1)
        # A stage that keeps the size is dilated instead, from its second block on.
        is_strided = 2 ** (stage + 2) <= self.output_stride
        factor = 1 if stage == 0 else 2
        previous_dilation = self._dilation(stage - 1)
        width = _WIDTHS[stage] * (4 if self.layers >= 50 else 1)
        for number in range(_BLOCKS_PER_STAGE[self.layers][stage]):
            first = number == 0
            block = self._make_block(stage, previous_dilation if first else self._dilation(stage))
            with g.scope(str(number), label=type(block).__name__):
                stride = Stride(factor, "floor") if first and is_strided and stage else Stride()
                x = block.emit_strided(g, x, width, stride)
        return x

    def _dilation(self, stage: int) -> int:
        return max(int(2 ** (stage + 2)) // self.output_stride, 1)

    def _make_block(self, stage: int, dilation: int) -> Striding:
        if self.layers >= 50:
            return Bottleneck(dilation=dilation, norm=self.norm, activation=self.activation)
        return Residual(padding="zeros", bias=False, dilation=dilation, norm=self.norm, activation=self.activation)
