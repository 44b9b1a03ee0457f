"""Blocks made of blocks: sequences, stacks, parallel branches, and blocks with attention."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Count, Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Attention, Block, Stride, Striding
from unetgen.parts.blocks.convolutional import Conv
from unetgen.parts.layers.attentions import NoAttention

Blocks = Annotated[tuple[Annotated[Block, In("block")], ...], Field(strict=False, min_length=1, max_length=64)]


class Sequence(Striding):
    """Several blocks in sequence; the first one changes the resolution.

    ``output: all`` concatenates the outputs of all blocks, as in one-shot aggregation (Lee et al. 2019).
    """

    type: ClassVar[str] = "sequence"

    blocks: Blocks
    widths: Annotated[tuple[Channels, ...], Field(strict=False)] | None = None
    """The output channels of each block (default: the level's width)."""

    output: Literal["last", "all"] = "last"

    @model_validator(mode="after")
    def _check_widths(self) -> Sequence:
        if self.widths is not None and len(self.widths) != len(self.blocks):
            what = f"{len(self.blocks)} blocks need {len(self.blocks)} widths, not {len(self.widths)}"
            raise PydanticCustomError("widths", "{what}", {"what": what, "at": "widths"})
        return self

    def inert(self) -> list[Inert]:
        return [Inert("output", "blocks", "there is only one block")] if len(self.blocks) == 1 else []

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        widths, outputs = self.widths or (channels,) * len(self.blocks), []
        for number, (block, width) in enumerate(zip(self.blocks, widths, strict=True), 1):
            with g.scope(str(number), label=type(block).__name__):
                x = block.emit_strided(g, x, width, stride if number == 1 else Stride())
            outputs.append(x)
        return g.concat(*outputs) if self.output == "all" and len(outputs) > 1 else x


class Stack(Striding):
    """One block repeated ``count`` times with separate weights; the first one changes the resolution."""

    type: ClassVar[str] = "stack"

    count: Count
    block: Annotated[Block, In("block")] = Conv()

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        for number in range(1, self.count + 1):
            with g.scope(str(number), label=type(self.block).__name__):
                x = self.block.emit_strided(g, x, channels, stride if number == 1 else Stride())
        return x


class Parallel(Striding):
    """Parallel branches on the same feature map, concatenated or summed (Szegedy et al. 2015).

    With ``join: concat`` each branch makes an equal share of the level's width; a sum needs equal channels. The
    branch ``none`` is the identity.
    """

    type: ClassVar[str] = "parallel"

    branches: Blocks
    join: Literal["concat", "sum"] = "concat"

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        outputs = []
        width = max(channels // len(self.branches), 1) if self.join == "concat" else channels
        for number, branch in enumerate(self.branches, 1):
            with g.scope(str(number), label=type(branch).__name__):
                outputs.append(branch.emit_strided(g, x, width, stride))
        if self.join == "concat":
            return g.concat(*outputs) if len(outputs) > 1 else outputs[0]
        branch_channels = sorted({output.channels for output in outputs})
        if len(branch_channels) > 1:
            g.refuse(self, "join", f"a sum needs equal channels, the branches make {branch_channels}", "use concat")
        return g.add(*outputs) if len(outputs) > 1 else outputs[0]


class Attended(Striding):
    """A block with an attention before it, after it, or both."""

    type: ClassVar[str] = "attended"

    block: Annotated[Block, In("block")] = Conv()
    attention: Annotated[Attention, In("attention")] = NoAttention()
    place: Literal["after", "before", "both"] = "after"

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if self.place != "after":
            with g.scope("before", label="Attention"):
                x = self.attention.emit(g, x)
        # The block's own layers keep the names that they have without an attention.
        x = self.block.emit_strided(g, x, channels, stride)
        if self.place != "before":
            with g.scope("after", label="Attention"):
                x = self.attention.emit(g, x)
        return x
