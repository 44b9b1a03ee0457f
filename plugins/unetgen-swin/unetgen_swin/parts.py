"""The blocks as a spec names them. Each is a 1x1 convolution where the channels change, and one module put in whole."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.registry.part import Count, Inert, Kernel, Trial
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Block

Ratio = Annotated[float, Field(gt=0, le=16, strict=True)]
DropRate = Annotated[float, Field(ge=0, lt=1, strict=True)]


class Swin(Block):
    """Transformer layers with attention inside windows, regular and shifted ones in turn (Liu et al. 2021).

    Each layer adds to its map a window attention with relative position bias, then an MLP; layer norms go before both.
    It works in 1, 2 and 3 dimensions, (c, *size) -> (channels, *size). Along an axis that is not larger than the
    window nothing is shifted.
    """

    type: ClassVar[str] = "swin"

    repeats: Count = 2
    """How many layers; windows are shifted in every second one."""

    heads: Count = 4
    window: Kernel = 7
    mlp_ratio: Ratio = 4.0
    qkv_bias: bool = True
    drop_path: DropRate = 0.0
    """How often a branch is left out of a sample while training."""

    shift: bool = True
    fit: Literal["exact", "pad"] = "exact"
    """What is done with sizes that the window does not divide: refused, or padded with pixels nobody looks at."""

    @model_validator(mode="after")
    def _check_window(self) -> Swin:
        if self.window == 1:
            what = "a window of one pixel has nothing to attend to"
            hint = "write at least 2 for one axis"
            raise PydanticCustomError("window", "{what}", {"what": what, "hint": hint, "at": "window"})
        return self

    def inert(self) -> list[Inert]:
        return [Inert("shift", "repeats", "only second layers are shifted")] if self.repeats == 1 else []

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = _match_channels(g, x, channels)
        if not _check_heads(g, self, self.heads, channels):
            return x
        window = g.per_axis(self.window)
        arguments = {**self.model_dump(exclude={"window"}), "channels": channels, "window": list(window)}
        multiple = window if self.fit == "exact" else 1
        return g.module(
            self, "unetgen_swin.windows:Swin", x, channels=channels, multiple=multiple, arguments=arguments
        )  # fmt: skip


class VisionTransformer(Block):
    """A transformer over all pixels of a map, for the bottleneck: TransUNet (Chen et al. 2021).

    Each pixel is a token. Positions are added, pre-norm layers of attention and MLP follow, a last layer norm, and
    the tokens are a map again, (c, *size) -> (channels, *size). Learned positions bind the network to ``input_size``.
    """

    type: ClassVar[str] = "vit"
    trial: ClassVar[Trial] = Trial(options={"layers": 1})

    layers: Count = 12
    heads: Count = 8
    mlp_ratio: Ratio = 4.0
    dropout: DropRate = 0.0
    """Of single values behind the positions, the attentions and both layers of the MLPs."""

    position: Literal["learned", "sincos", "none"] = "learned"
    """What tells a token where it is; ``sincos`` are waves along each axis and take every size."""

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = _match_channels(g, x, channels)
        fits = self._check_sincos_channels(g, channels)
        if not _check_heads(g, self, self.heads, channels) or not fits:
            return x
        size = list(x.size) if self.position == "learned" else None
        arguments = {**self.model_dump(), "channels": channels, "size": size}
        return g.module(
            self, "unetgen_swin.tokens:VisionTransformer", x, channels=channels, arguments=arguments
        )  # fmt: skip

    def _check_sincos_channels(self, g: Builder, channels: int) -> bool:
        if self.position != "sincos" or channels >= 2 * g.dims:
            return True
        message = f"a sine and a cosine for each of {g.dims} axes need {2 * g.dims} channels, there are {channels}"
        g.refuse(self, "position", message, "use learned or none")
        return False


class StateSpace(Block):
    """A selective state space along the pixels in a row: Mamba (Gu and Dao 2023), as a residual block of maps.

    Layer norm, a layer to ``expansion`` times the channels and as many gates; a causal depthwise convolution and the
    state space, with weights of their own for each direction; their sum times the gates, a layer back, and the input
    added, (c, *size) -> (channels, *size).
    """

    type: ClassVar[str] = "state_space"

    state: Count = 16
    """How many numbers each channel remembers."""

    expansion: Count = 2
    kernel_size: Count = 4
    """Of the depthwise convolution, over a pixel and those before it."""

    directions: Literal[1, 2, "axes"] = 2
    """Row by row, forth or forth and back; ``axes`` goes forth and back along each axis, as in VMamba."""

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        if self.directions == "axes" and g.dims == 1:
            g.refuse(self, "directions", "in 1-D there is one axis, and forth and back along it is 2", "write 2")
        x = _match_channels(g, x, channels)
        arguments = {**self.model_dump(exclude={"directions"}), "channels": channels, "ways": self._scan_orders(g.dims)}
        return g.module(self, "unetgen_swin.state_space:StateSpace", x, channels=channels, arguments=arguments)

    def _scan_orders(self, dims: int) -> list[list[int]]:
        """Which axis runs fastest and which way, +1 or -1, for each direction."""
        if self.directions == "axes":
            return [[axis, way] for axis in reversed(range(dims)) for way in (1, -1)]
        return [[dims - 1, way] for way in (1, -1)[: self.directions]]


def _match_channels(g: Builder, x: Value, channels: int) -> Value:
    return x if x.channels == channels else g.conv(x, channels, 1, name="entry")


def _check_heads(g: Builder, part: Block, heads: int, channels: int) -> bool:
    if channels % heads == 0:
        return True
    near = [n for n in range(1, min(channels, 64) + 1) if channels % n == 0]
    below, above = max(n for n in near if n < heads), [n for n in near if n > heads][:1]
    hint = f"use {' or '.join(map(str, [below, *above]))}, or other channels"
    g.refuse(part, "heads", f"{channels} channels cannot be divided among {heads} heads", hint)
    return False
