"""Heads: compute the outputs from the decoder's feature maps."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Inert, Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.global_ops import Statistic
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.part_types import Activation, Block, Dropout, Head, HeadLevel, Maps, Norm
from unetgen.parts.blocks.convolutional import NoBlock
from unetgen.parts.blocks.unit import Padding
from unetgen.parts.layers.activations import NoActivation
from unetgen.parts.layers.dropouts import NoDropout, inert_dropout_place
from unetgen.parts.layers.norms import NoNorm

Levels = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(strict=False, min_length=1, json_schema_extra={"uniqueItems": True}),
]


class NoHead(Head):
    """The decoder's feature map unchanged; its last block makes the output channels."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class ConvHead(Head):
    """One convolution to the output channels (1x1 in the U-Net paper), after an optional block."""

    type: ClassVar[str] = "conv"

    kernel_size: Kernel = 1
    padding: Padding = "valid"
    bias: bool = True
    activation: Annotated[Activation, In("activation")] = NoActivation()
    """The activation of the output."""

    block: Annotated[Block, In("block")] = NoBlock()
    block_channels: Channels | None = None
    """The block's output channels (default: its input channels)."""

    norm: Annotated[Norm, In("norm")] = NoNorm()
    """The norm after the convolution."""

    global_residual: bool = False
    """Whether to add the image to the output, before the activation."""

    def inert(self) -> list[Inert]:
        inert = [Inert("padding", "kernel_size", "a kernel of 1 has no border")] if self.kernel_size == 1 else []
        if self.block.type == "none":
            inert.append(Inert("block_channels", "block", "no block is set"))
        return inert

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = self.add_image(g, self.emit_logits(g, x, channels), "global_add")
        return self.activation.emit(g, x, "activation")

    def emit_logits(self, g: Builder, x: Value, channels: int) -> Value:
        """Emit all layers except the addition of the image and the activation."""
        with g.scope("block", label=type(self.block).__name__):
            x = self.block.emit(g, x, self.block_channels or x.channels)
        x = g.conv(x, channels, self.kernel_size, name="conv", padding=self.padding, bias=self.bias)
        return self.norm.emit(g, x, "norm")

    def add_image(self, g: Builder, x: Value, name: str) -> Value:
        """Emit the addition of the image if ``global_residual`` is set."""
        if not self.global_residual:
            return x
        if g.input.channels != x.channels:
            message = f"the image has {g.input.channels} channels, the output {x.channels}"
            g.refuse(self, "global_residual", message, "make in_channels and out_channels equal")
            return x
        return g.add(x, g.input, name=name)


class DeepSupervision(ConvHead):
    """An output on each level: a list, finest first, both in training and in evaluation (Lee et al. 2015).

    ``resolution: full`` interpolates all outputs to the size of the finest. ``fused`` adds a 1x1 convolution over all
    of them: as the first output, as in U2-Net (Qin et al. 2020), or as the only one.
    """

    type: ClassVar[str] = "deep_supervision"

    levels: Levels | None = None
    """The supervised feature maps, counted from the finest (default: all of the decoder's but the bottleneck)."""

    resolution: Literal["native", "full"] = "native"
    mode: InterpolationMode = "linear"
    align_corners: bool = False
    fused: Literal["none", "first", "only"] = "none"
    fused_bias: bool = True

    @field_validator("levels")
    @classmethod
    def _check_levels(cls, levels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        repeated = next((level for level in levels or () if (levels or ()).count(level) > 1), None)
        if repeated is not None:
            what = f"level {repeated} is listed twice"
            raise PydanticCustomError("levels", "{what}", {"what": what, "hint": "keep one"})
        return levels

    @model_validator(mode="after")
    def _check_fused(self) -> DeepSupervision:
        if self.fused != "none" and self.resolution == "native":
            what = "outputs of different sizes cannot be fused"
            raise PydanticCustomError(
                "fused", "{what}", {"what": what, "hint": "add 'resolution: full'", "at": "fused"}
            )
        return self

    def inert(self) -> list[Inert]:
        inert = [*super().inert(), Inert("level", "levels", "this head reads several levels")]
        if self.resolution == "native":
            inert += [Inert(option, "resolution", "no output is resized") for option in ("mode", "align_corners")]
        elif self.mode == "nearest":
            inert.append(Inert("align_corners", "mode", "mode 'nearest' ignores it"))
        return inert if self.fused != "none" else [*inert, Inert("fused_bias", "fused", "no outputs are fused")]

    @property
    def several(self) -> bool:
        return self.fused != "only"

    def emit_all(self, g: Builder, maps: Maps, channels: int) -> list[Value]:
        sides = [self._emit_side_output(g, number, x, channels) for number, x in self._select_maps(g, maps)]
        if self.global_residual and self.resolution == "native" and len(sides) > 1:
            message = "outputs of different sizes cannot all be added to the image"
            g.refuse(self, "global_residual", message, "add 'resolution: full'")
        if self.resolution == "full":
            g.check_mode(self, self.mode)
            sides = [sides[0]] + [self._resize_to_finest(g, n, x, sides[0]) for n, x in enumerate(sides[1:], 1)]
        if self.fused != "none":
            fused = g.conv(g.concat(*sides, name="sides"), channels, 1, name="fuse", bias=self.fused_bias)
            sides = [fused, *sides] if self.fused == "first" else [fused]
        sides = [self.add_image(g, x, f"global_add{number}") for number, x in enumerate(sides)]
        return [self.activation.emit(g, x, f"activation{number}") for number, x in enumerate(sides)]

    def _select_maps(self, g: Builder, maps: Maps) -> list[tuple[int, Value]]:
        candidates = list(maps.supervised)
        if self.levels is None:
            # The last map of a plain decoder is the bottleneck's, which is supervised only if it is listed.
            has_bottleneck = candidates[-1] is maps.levels[-1] and len(candidates) > 1
            return list(enumerate(candidates[:-1] if has_bottleneck else candidates))
        unknown = [level for level in self.levels if level >= len(candidates)]
        if unknown:
            message = f"the decoder has no feature map {unknown[0]} to supervise"
            g.refuse(self, "levels", message, f"choose from 0 to {len(candidates) - 1}")
        known = [level for level in self.levels if level < len(candidates)]
        return [(level, candidates[level]) for level in known or [0]]

    def _emit_side_output(self, g: Builder, number: int, x: Value, channels: int) -> Value:
        with g.scope(f"side{number}", label="Side"):
            return self.emit_logits(g, x, channels)

    def _resize_to_finest(self, g: Builder, number: int, x: Value, finest: Value) -> Value:
        return g.resize_to(x, finest, self.mode, self.align_corners, name=f"resize{number}")


class ClassificationHead(Head):
    """Global pooling, then a 1x1 convolution to the classes; the output has shape ``(batch, classes)``."""

    type: ClassVar[str] = "classification"

    level: HeadLevel = "bottleneck"
    pool: Statistic = "mean"
    dropout: Annotated[Dropout, In("dropout")] = NoDropout()
    bias: bool = True
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        return inert_dropout_place(self.dropout)

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = self.dropout.emit(g, g.global_pool(x, self.pool), "dropout", last=True)
        x = g.conv(x, channels, 1, name="conv", bias=self.bias)
        return g.flatten(self.activation.emit(g, x, "activation"))
