"""Decoders: how the levels are strung together on the way up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels
from unetgen.config.spec import DecoderLevel, Skip
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.part_types import Block, Decoder, Features, Maps, Upsample
from unetgen.graph.size_rule import Rounding
from unetgen.parts.blocks.convolutional import Conv
from unetgen.parts.skips.skip_connection import connect_skip, tap_encoder


class PlainDecoder(Decoder):
    """On each level the map from below is upsampled, joined by the skip, and run through the block."""

    type: ClassVar[str] = "plain"

    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        maps = [x]
        for index in reversed(range(len(levels))):
            level = levels[index]
            with g.scope(str(index), label=type(level.block).__name__):
                with g.at("decoder", index, "skip"):
                    feature = tap_encoder(g, features, index, cast(Skip, level.skip))
                maps.append(_emit_decoder_node(g, maps[-1], [feature], index, level, level.width))
        levels_up = maps[::-1]
        return Maps(levels_up, levels_up)


class NestedDecoder(Decoder):
    """U-Net++ (Zhou et al. 2018): on each level a row of nodes, each joined by all before it and the one below.

    Node 0 of a row is the encoder's map; the bottleneck is the lowest row. ``columns`` prunes: with 2 of them the
    output is that of the second node, and what only later ones need is not built. Each node is supervised that ends
    the finest row. Where the finest levels drop their skips they have no row, but one node each.
    """

    type: ClassVar[str] = "nested"

    columns: Annotated[int, Field(ge=1)] | None = None
    """How many nodes the finest row has; as many as there are levels below it unless it is said."""

    inner_width: Literal["encoder", "decoder"] = "decoder"
    """Whose widths the nodes between the encoder and the last of a row have."""

    skip_order: Literal["oldest_first", "newest_first"] = "oldest_first"
    """How a node takes the nodes before it: from the encoder's map on, or back to it."""

    @property
    def leaves_out(self) -> bool:
        return self.columns is not None

    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        rows = [[tap_encoder(g, features, i, cast(Skip, level.skip))] for i, level in enumerate(levels)] + [[x]]
        finest = next((i for i, level in enumerate(levels) if not cast(Skip, level.skip).is_dropped), len(levels))
        most = len(levels) - finest
        columns = min(self.columns or most, most)
        if self.columns and self.columns > most:
            g.refuse(self, "columns", f"{self.columns} columns need as many levels with skips", f"there are {most}")
        for column in range(1, columns + 1):
            for index in range(finest, len(levels) - column + 1):
                inner = self.inner_width == "encoder" and column < len(levels) - index
                width = rows[index][0].channels if inner else levels[index].width
                self._append_node(g, rows, index, column, levels[index], width)
        # Rows without skips would be those below them, upsampled; only their last nodes are of use.
        for index in reversed(range(finest)):
            self._append_node(g, rows, index, columns + finest - index, levels[index], levels[index].width)
        return Maps([row[-1] for row in rows], rows[0][:0:-1])

    def _append_node(
        self, g: Builder, rows: list[list[Value]], index: int, column: int, level: DecoderLevel, width: int
    ) -> None:
        """Draws one more node of a row."""
        below = rows[index + 1][min(column, len(rows[index + 1])) - 1]
        with g.scope(f"{index}_{column}", label=type(level.block).__name__):
            skips = rows[index] if self.skip_order == "oldest_first" else rows[index][::-1]
            rows[index].append(_emit_decoder_node(g, below, skips, index, level, width))


class FullScaleDecoder(Decoder):
    """U-Net 3+ (Huang et al. 2020): each level sees all encoder levels above it and all decoder levels below it.

    Finer maps are pooled and coarser ones interpolated to its size; each goes through a unit of ``branch_width``
    channels, then all of them, finest first, through the level's block.
    """

    type: ClassVar[str] = "full_scale"
    uses: ClassVar[tuple[str, ...]] = ("block",)

    branch_width: Channels = 64
    branch: Annotated[Block, In("block")] = Conv(repeats=1, padding="zeros")
    """What each branch goes through, with one unit of the paper's unless it is said."""

    rounding: Rounding = "exact"
    """Of the poolings, where a size does not divide."""

    mode: InterpolationMode = "linear"
    align_corners: bool = False

    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        g.check_mode(self, self.mode)
        maps: dict[int, Value] = {len(levels): x}
        for index in reversed(range(len(levels))):
            with g.scope(str(index), label=type(levels[index].block).__name__):
                sources = [features.maps[i] for i in range(index + 1)] + [
                    maps[i] for i in range(index + 1, len(levels) + 1)
                ]
                branches = [
                    self._emit_branch(g, i, index, source, features.maps[index]) for i, source in enumerate(sources)
                ]
                x = g.concat(*branches, name="branches")
                with g.at("decoder", index, "block"):
                    maps[index] = cast(Block, levels[index].block).emit(g, x, levels[index].width)
        ordered = [maps[i] for i in sorted(maps)]
        return Maps(ordered, ordered)

    def _emit_branch(self, g: Builder, source: int, level: int, x: Value, reference: Value) -> Value:
        with g.scope(f"from{source}", label="Branch"):
            if source < level:
                factor = 2 ** (level - source)
                x = g.max_pool(x, factor, factor, self.rounding, name="resize")
            elif source > level:
                x = g.resize_to(x, reference, self.mode, self.align_corners)
            return self.branch.emit(g, x, self.branch_width)


def _emit_decoder_node(
    g: Builder, below: Value, skips: Sequence[Value], index: int, level: DecoderLevel, width: int
) -> Value:
    """One node: what comes from below, upsampled and joined, through the level's block."""
    skip, upsample, block = cast(Skip, level.skip), cast(Upsample, level.upsample), cast(Block, level.block)
    x = connect_skip(g, below, skips, skip, upsample, ("decoder", index), width)
    with g.at("decoder", index, "block"):
        return block.emit(g, x, width)
