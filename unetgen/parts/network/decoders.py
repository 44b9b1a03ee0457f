"""Decoders: connect the levels from the bottleneck to the finest feature map."""

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
    """On each level: upsample the feature map from below, fuse it with the skip, apply the block."""

    type: ClassVar[str] = "plain"

    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        coarse_to_fine = [x]
        for index in reversed(range(len(levels))):
            level = levels[index]
            with g.scope(str(index), label=type(level.block).__name__):
                with g.at("decoder", index, "skip"):
                    feature = tap_encoder(g, features, index, cast(Skip, level.skip))
                x = _emit_decoder_node(g, x, [feature], index, level, level.width)
            coarse_to_fine.append(x)
        maps = coarse_to_fine[::-1]
        return Maps(maps, maps)


class NestedDecoder(Decoder):
    """The nested decoder of U-Net++: a row of nodes on each level (Zhou et al. 2018).

    Each node fuses all earlier nodes of its row with the upsampled node below. Node 0 of a row is the encoder's
    feature map; the bottleneck is the lowest row. ``columns`` prunes the network: with 2 columns the output is that
    of the second node, and nodes that only later columns need are not built. Deep supervision uses the nodes of the
    finest row. If the finest levels have no skips, each of them has one node instead of a row.
    """

    type: ClassVar[str] = "nested"

    columns: Annotated[int, Field(ge=1)] | None = None
    """The number of nodes in the finest row (default: the number of levels below it)."""

    inner_width: Literal["encoder", "decoder"] = "decoder"
    """The side whose widths the inner nodes of a row have; the last node has the decoder's."""

    skip_order: Literal["oldest_first", "newest_first"] = "oldest_first"
    """The order in which a node concatenates earlier nodes: from the encoder's feature map on, or reversed."""

    @property
    def leaves_out(self) -> bool:
        return self.columns is not None

    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        rows = [[tap_encoder(g, features, i, cast(Skip, level.skip))] for i, level in enumerate(levels)] + [[x]]
        finest = next((i for i, level in enumerate(levels) if not cast(Skip, level.skip).is_dropped), len(levels))
        max_columns = len(levels) - finest
        columns = min(self.columns or max_columns, max_columns)
        if self.columns and self.columns > max_columns:
            message = f"{self.columns} columns need {self.columns} levels with skips, this decoder has {max_columns}"
            g.refuse(self, "columns", message, "reduce 'columns'")
        for column in range(1, columns + 1):
            for index in range(finest, len(levels) - column + 1):
                has_encoder_width = self.inner_width == "encoder" and column < len(levels) - index
                width = rows[index][0].channels if has_encoder_width else levels[index].width
                self._append_node(g, rows, index, column, levels[index], width)
        # A node without skips only upsamples the row below, so only the last node of such a row is needed.
        for index in reversed(range(finest)):
            self._append_node(g, rows, index, columns + finest - index, levels[index], levels[index].width)
        return Maps([row[-1] for row in rows], rows[0][:0:-1])

    def _append_node(
        self, g: Builder, rows: list[list[Value]], index: int, column: int, level: DecoderLevel, width: int
    ) -> None:
        """Emit the next node of a row."""
        below = rows[index + 1][min(column, len(rows[index + 1])) - 1]
        with g.scope(f"{index}_{column}", label=type(level.block).__name__):
            skips = rows[index] if self.skip_order == "oldest_first" else rows[index][::-1]
            rows[index].append(_emit_decoder_node(g, below, skips, index, level, width))


class FullScaleDecoder(Decoder):
    """The full-scale decoder of U-Net 3+: each level reads all finer and coarser levels (Huang et al. 2020).

    A level reads the encoder's feature maps down to its own resolution and all coarser decoder feature maps. Finer
    maps are max-pooled and coarser ones interpolated to its size; each goes through ``branch``. Their concatenation,
    finest first, goes through the level's block.
    """

    type: ClassVar[str] = "full_scale"
    uses: ClassVar[tuple[str, ...]] = ("block",)

    branch_width: Channels = 64
    branch: Annotated[Block, In("block")] = Conv(repeats=1, padding="zeros")
    """The block of each branch, with ``branch_width`` channels (default: one convolution unit, as in the paper)."""

    rounding: Rounding = "exact"
    """The rounding of pooled sizes that are not divisible."""

    mode: InterpolationMode = "linear"
    align_corners: bool = False

    def emit(self, g: Builder, x: Value, features: Features, levels: Sequence[DecoderLevel]) -> Maps:
        g.check_mode(self, self.mode)
        maps: dict[int, Value] = {len(levels): x}
        for index in reversed(range(len(levels))):
            with g.scope(str(index), label=type(levels[index].block).__name__):
                coarser = [maps[i] for i in range(index + 1, len(levels) + 1)]
                branches = [
                    self._emit_branch(g, source, index, value, features.maps[index])
                    for source, value in enumerate([*features.maps[: index + 1], *coarser])
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
    """Emit one node: upsample the feature map from below, fuse it with the skips, apply the level's block."""
    skip, upsample, block = cast(Skip, level.skip), cast(Upsample, level.upsample), cast(Block, level.block)
    x = connect_skip(g, below, skips, skip, upsample, ("decoder", index), width)
    with g.at("decoder", index, "block"):
        return block.emit(g, x, width)
