"""A block that is itself a U-Net."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Align, Block, Downsample, Fusion, Upsample
from unetgen.parts.blocks.convolutional import Conv
from unetgen.parts.resampling.downsampling import MaxPool
from unetgen.parts.resampling.upsampling import Interpolate
from unetgen.parts.skips.alignments import Crop
from unetgen.parts.skips.fusions import Concat

Dilations = Annotated[tuple[Annotated[int, Field(ge=1, le=255)], ...], Field(strict=False, min_length=2, max_length=13)]


class UNetBlock(Block):
    """A small U-Net as a block: the residual U-block of U2-Net (Qin et al. 2020).

    An entry block makes the level's width. Then ``block`` is applied on ``depth`` encoder levels, a bottom level and
    ``depth`` decoder levels with ``mid_channels``; the last one makes the level's width again. ``residual`` adds the
    entry block's output to the result. Only the first ``pooled`` of the ``depth`` steps change the resolution.
    """

    type: ClassVar[str] = "unet"

    depth: Annotated[int, Field(ge=1, le=12)] = 4
    pooled: Annotated[int, Field(ge=0, le=12)] | None = None
    """The number of steps that change the resolution (default: all)."""

    mid_channels: Channels = 32
    dilations: Dilations | None = None
    """The dilation of the block on each level, the bottom last (default: the block's own)."""

    residual: bool = True
    block: Annotated[Block, In("block")] = Conv(repeats=1, padding="zeros")
    downsample: Annotated[Downsample, In("downsample")] = MaxPool()
    upsample: Annotated[Upsample, In("upsample")] = Interpolate(mode="linear", projection="none")
    align: Annotated[Align, In("align")] = Crop()
    fusion: Annotated[Fusion, In("fusion")] = Concat(order="upsampled_first")

    @model_validator(mode="after")
    def _check_levels(self) -> UNetBlock:
        if self.pooled is not None and self.pooled > self.depth:
            what = f"{self.pooled} is more than the depth, {self.depth}"
            raise PydanticCustomError("pooled", "{what}", {"what": what, "at": "pooled"})
        if self.dilations and len(self.dilations) != self.depth + 1:
            what = f"depth {self.depth} needs {self.depth + 1} dilations, not {len(self.dilations)}"
            raise PydanticCustomError("dilations", "{what}", {"what": what, "at": "dilations"})
        return self

    @property
    def _num_resolution_changes(self) -> int:
        return self.depth if self.pooled is None else self.pooled

    def inert(self) -> list[Inert]:
        if self._num_resolution_changes:
            return []
        slots = ("downsample", "upsample", "align")
        return [Inert(slot, "pooled", "no step changes the resolution") for slot in slots]

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        if self.downsample.left_to_block:
            message = "the downsampling must change the resolution itself"
            g.refuse(self, "downsample", message, "use max_pool, avg_pool or conv")
        with g.scope("entry", label="Unit"):
            entry = self.block.emit(g, x, channels)
        maps, x = self._emit_encoder(g, entry)
        for level in reversed(range(self.depth)):
            with g.scope(f"up{level}", label="Unit"):
                x = self._connect_skip(g, x, maps[level], level)
                x = self._block_at(g, level).emit(g, x, self.mid_channels if level else channels)
        if not self.residual:
            return x
        if x.channels != entry.channels:
            message = f"the entry block makes {entry.channels} channels and the last block {x.channels}"
            g.refuse(self, "residual", message, "use a block that makes the requested channels, or residual: false")
            return x
        return g.add(x, entry)

    def _emit_encoder(self, g: Builder, x: Value) -> tuple[list[Value], Value]:
        maps = []
        for level in range(self.depth + 1):
            with g.scope(f"down{level}", label="Unit"):
                x = self._block_at(g, level).emit(g, x, self.mid_channels)
                if level == self.depth:
                    break
                maps.append(x)
                if level < self._num_resolution_changes:
                    with g.scope("down"):
                        x = self.downsample.emit(g, x, self.mid_channels)
        return maps, x

    def _connect_skip(self, g: Builder, x: Value, skip: Value, level: int) -> Value:
        if level < self._num_resolution_changes:
            with g.scope("up"):
                x = self.upsample.emit(g, x, self.mid_channels)
        with g.scope("skip"):
            if level < self._num_resolution_changes:
                x, skip = self.align.emit(g, x, skip)
            return self.fusion.emit(g, x, skip)

    def _block_at(self, g: Builder, level: int) -> Block:
        """Return the block of a level, with the level's dilation."""
        if self.dilations is None:
            return self.block
        if "dilation" not in type(self.block).model_fields:
            g.refuse(self, "dilations", f"block {self.block.type!r} has no dilation", "use block: conv")
            return self.block
        return self.block.model_copy(update={"dilation": self.dilations[level]})
