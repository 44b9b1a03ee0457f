"""Blocks made of blocks: one after the other, beside each other, several times, with attention around."""

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
    """Several blocks one after the other; the first makes the change of resolution.

    With ``output: all`` what each of them makes is concatenated, as in one-shot aggregation (Lee et al. 2019).
    """

    type: ClassVar[str] = "sequence"

    blocks: Blocks
    widths: Annotated[tuple[Channels, ...], Field(strict=False)] | None = None
    """What each of them makes; the level's width, all of them, unless it is said."""

    output: Literal["last", "all"] = "last"

    @model_validator(mode="after")
    def _check_widths(self) -> Sequence:
        if self.widths is not None and len(self.widths) != len(self.blocks):
            what = f"{len(self.blocks)} blocks need as many widths, this has {len(self.widths)}"
            raise PydanticCustomError("widths", "{what}", {"what": what, "at": "widths"})
        return self

    def inert(self) -> list[Inert]:
        return [Inert("output", "blocks", "there is one block only")] if len(self.blocks) == 1 else []

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        widths, made = self.widths or (channels,) * len(self.blocks), []
        for number, (block, width) in enumerate(zip(self.blocks, widths, strict=True), 1):
            with g.scope(str(number), label=type(block).__name__):
                x = block.emit_strided(g, x, width, stride if number == 1 else Stride())
            made.append(x)
        return g.concat(*made) if self.output == "all" and len(made) > 1 else x


class Stack(Striding):
    """One block so many times; the first makes the change of resolution."""

    type: ClassVar[str] = "stack"

    count: Count
    block: Annotated[Block, In("block")] = Conv()

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        for number in range(1, self.count + 1):
            with g.scope(str(number), label=type(self.block).__name__):
                x = self.block.emit_strided(g, x, channels, stride if number == 1 else Stride())
        return x


class Parallel(Striding):
    """Branches beside each other on the same map, concatenated or summed (Szegedy et al. 2015).

    Joined by ``concat`` each branch makes an equal share of the level's width; a sum needs equal channels. The
    branch ``none`` is the map itself.
    """

    type: ClassVar[str] = "parallel"

    branches: Blocks
    join: Literal["concat", "sum"] = "concat"

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        made = []
        width = max(channels // len(self.branches), 1) if self.join == "concat" else channels
        for number, branch in enumerate(self.branches, 1):
            with g.scope(str(number), label=type(branch).__name__):
                made.append(branch.emit_strided(g, x, width, stride))
        if self.join == "concat":
            return g.concat(*made) if len(made) > 1 else made[0]
        different = sorted({value.channels for value in made})
        if len(different) > 1:
            g.refuse(self, "join", f"a sum needs equal channels, the branches make {different}", "use concat")
        return g.add(*made) if len(made) > 1 else made[0]


class Attended(Striding):
    """A block with an attention before it, behind it, or both."""

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
