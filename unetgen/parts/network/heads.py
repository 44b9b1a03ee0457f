"""Heads: from decoder maps to outputs."""

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
from unetgen.parts.layers.dropouts import NoDropout
from unetgen.parts.layers.norms import NoNorm

Levels = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(strict=False, min_length=1, json_schema_extra={"uniqueItems": True}),
]


class NoHead(Head):
    """The decoder's map as it is; its block makes the output's channels."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return x


class ConvHead(Head):
    """One convolution to the classes, 1x1 in the paper, behind a block if one is named."""

    type: ClassVar[str] = "conv"

    kernel_size: Kernel = 1
    padding: Padding = "valid"
    bias: bool = True
    activation: Annotated[Activation, In("activation")] = NoActivation()
    """Of the output."""

    block: Annotated[Block, In("block")] = NoBlock()
    block_channels: Channels | None = None
    """What the block makes; as many as it gets unless it is said."""

    norm: Annotated[Norm, In("norm")] = NoNorm()
    """Behind the convolution."""

    global_residual: bool = False
    """Whether the image is added to the output, before its activation."""

    def inert(self) -> list[Inert]:
        found = [Inert("padding", "kernel_size", "a kernel of 1 has no border")] if self.kernel_size == 1 else []
        if self.block.type == "none":
            found.append(Inert("block_channels", "block", "there is no block to make them"))
        return found

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = self.add_image(g, self.emit_logits(g, x, channels), "global_add")
        return self.activation.emit(g, x, "activation")

    def emit_logits(self, g: Builder, x: Value, channels: int) -> Value:
        """Draws everything but the image's addition and the activation."""
        with g.scope("block", label=type(self.block).__name__):
            x = self.block.emit(g, x, self.block_channels or x.channels)
        x = g.conv(x, channels, self.kernel_size, name="conv", padding=self.padding, bias=self.bias)
        return self.norm.emit(g, x, "norm")

    def add_image(self, g: Builder, x: Value, name: str) -> Value:
        """Draws the image's addition, where it is added."""
        if not self.global_residual:
            return x
        if g.input.channels != x.channels:
            message = f"the image has {g.input.channels} channels, the output {x.channels}"
            g.refuse(self, "global_residual", message, "make in_channels and out_channels equal")
            return x
        return g.add(x, g.input, name=name)


class DeepSupervision(ConvHead):
    """An output of each level: a list, finest first, the same in training and in evaluation (Lee et al. 2015).

    ``full`` interpolates all to the size of the finest. ``fused`` is one output more, a 1x1 convolution of all of
    them: in front of the list as in U2-Net (Qin et al. 2020), or the only one.
    """

    type: ClassVar[str] = "deep_supervision"

    levels: Levels | None = None
    """Which maps, counted from the finest; all that the decoder offers, but the bottleneck, unless they are named."""

    resolution: Literal["native", "full"] = "native"
    mode: InterpolationMode = "linear"
    align_corners: bool = False
    fused: Literal["none", "first", "only"] = "none"
    fused_bias: bool = True

    @field_validator("levels")
    @classmethod
    def _check_levels(cls, levels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        twice = next((level for level in levels or () if (levels or ()).count(level) > 1), None)
        if twice is not None:
            raise PydanticCustomError("levels", "{what}", {"what": f"level {twice} is named twice", "hint": "keep one"})
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
        found = [*super().inert(), Inert("level", "levels", "it looks at several")]
        if self.resolution == "native":
            found += [Inert(option, "resolution", "no output is resized") for option in ("mode", "align_corners")]
        elif self.mode == "nearest":
            found.append(Inert("align_corners", "mode", "nearest takes whole pixels"))
        return found if self.fused != "none" else [*found, Inert("fused_bias", "fused", "nothing is fused")]

    @property
    def several(self) -> bool:
        return self.fused != "only"

    def emit_all(self, g: Builder, maps: Maps, channels: int) -> list[Value]:
        sides = [self._emit_side_output(g, number, x, channels) for number, x in self._supervised_maps(g, maps)]
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

    def _supervised_maps(self, g: Builder, maps: Maps) -> list[tuple[int, Value]]:
        offered = list(maps.supervised)
        if self.levels is None:
            # A plain decoder's last map is the bottleneck's, which is supervised only where it is named.
            offered = offered[:-1] if offered[-1] is maps.levels[-1] and len(offered) > 1 else offered
            return list(enumerate(offered))
        unknown = [level for level in self.levels if level >= len(offered)]
        if unknown:
            g.refuse(self, "levels", f"there is no map {unknown[0]}", f"they go from 0 to {len(offered) - 1}")
        return [(level, offered[level]) for level in self.levels if level < len(offered)] or [(0, offered[0])]

    def _emit_side_output(self, g: Builder, number: int, x: Value, channels: int) -> Value:
        with g.scope(f"side{number}", label="Side"):
            return self.emit_logits(g, x, channels)

    def _resize_to_finest(self, g: Builder, number: int, x: Value, finest: Value) -> Value:
        return g.resize_to(x, finest, self.mode, self.align_corners, name=f"resize{number}")


class ClassificationHead(Head):
    """The mean or maximum of a whole map, then one 1x1 layer to the classes: (batch, classes), without spatial axes."""

    type: ClassVar[str] = "classification"

    level: HeadLevel = "bottleneck"
    pool: Statistic = "mean"
    dropout: Annotated[Dropout, In("dropout")] = NoDropout()
    bias: bool = True
    activation: Annotated[Activation, In("activation")] = NoActivation()

    def inert(self) -> list[Inert]:
        return [Inert("dropout.place", "dropout", "there is one place only")] if self.dropout.type != "none" else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = self.dropout.emit(g, g.global_pool(x, self.pool), "dropout", last=True)
        x = g.conv(x, channels, 1, name="conv", bias=self.bias)
        return g.flatten(self.activation.emit(g, x, "activation"))
