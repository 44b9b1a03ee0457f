"""Define the blocks: each is one module, with a 1x1 convolution before it if the number of channels changes."""

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
    """Transformer layers with attention inside alternating regular and shifted windows (Liu et al. 2021).

    Each layer has a window attention with relative position bias and an MLP, both with a layer norm before and a
    residual connection. It works in 1, 2 and 3 dimensions, (c, *size) -> (channels, *size). Windows are not shifted
    along an axis that is not larger than the window.
    """

    type: ClassVar[str] = "swin"

    repeats: Count = 2
    """The number of layers; windows are shifted in every second one."""

    heads: Count = 4
    window: Kernel = 7
    mlp_ratio: Ratio = 4.0
    qkv_bias: bool = True
    drop_path: DropRate = 0.0
    """The probability that a branch is dropped for a sample during training."""

    shift: bool = True
    fit: Literal["exact", "pad"] = "exact"
    """How to treat sizes that the window does not divide: ``exact`` rejects them, ``pad`` pads with masked pixels."""

    @model_validator(mode="after")
    def _check_window(self) -> Swin:
        if self.window == 1:
            message = "must have more than one pixel"
            hint = "set at least 2 on one axis"
            raise PydanticCustomError("window", "{what}", {"what": message, "hint": hint, "at": "window"})
        return self

    def inert(self) -> list[Inert]:
        return [Inert("shift", "repeats", "only every second layer is shifted")] if self.repeats == 1 else []

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

    Each pixel is a token. Position embeddings are added, followed by pre-norm layers of attention and MLP and a final
    layer norm, (c, *size) -> (channels, *size). Learned positions fix the network's size to ``input_size``.
    """

    type: ClassVar[str] = "vit"
    trial: ClassVar[Trial] = Trial(options={"layers": 1})

    layers: Count = 12
    heads: Count = 8
    mlp_ratio: Ratio = 4.0
    dropout: DropRate = 0.0
    """The dropout rate after the position embedding, the attention and both layers of the MLP."""

    position: Literal["learned", "sincos", "none"] = "learned"
    """The position embedding; ``sincos`` has sines and cosines along each axis and accepts every size."""

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = _match_channels(g, x, channels)
        has_enough_channels = self._check_sincos_channels(g, channels)
        if not _check_heads(g, self, self.heads, channels) or not has_enough_channels:
            return x
        size = list(x.size) if self.position == "learned" else None
        arguments = {**self.model_dump(), "channels": channels, "size": size}
        return g.module(
            self, "unetgen_swin.tokens:VisionTransformer", x, channels=channels, arguments=arguments
        )  # fmt: skip

    def _check_sincos_channels(self, g: Builder, channels: int) -> bool:
        if self.position != "sincos" or channels >= 2 * g.dims:
            return True
        message = f"sincos needs at least {2 * g.dims} channels for {g.dims} axes, not {channels}"
        g.refuse(self, "position", message, "use learned or none")
        return False


class StateSpace(Block):
    """A selective state space model over the pixels as a sequence: Mamba (Gu and Dao 2023), as a residual block.

    A layer norm; a linear layer to ``expansion`` times the channels and as many gates; a causal depthwise convolution
    and the state space model, with separate weights for each direction; their sum times the gates; a linear layer back,
    and a residual connection, (c, *size) -> (channels, *size).
    """

    type: ClassVar[str] = "state_space"

    state: Count = 16
    """The size of each channel's state."""

    expansion: Count = 2
    kernel_size: Count = 4
    """The kernel size of the causal depthwise convolution."""

    directions: Literal[1, 2, "axes"] = 2
    """Row by row, forward (1) or in both directions (2); ``axes`` in both directions along each axis, as in VMamba."""

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        if self.directions == "axes" and g.dims == 1:
            g.refuse(self, "directions", "axes is the same as 2 in 1-D", "write 2")
        x = _match_channels(g, x, channels)
        arguments = {
            **self.model_dump(exclude={"directions"}),
            "channels": channels,
            "scan_orders": self._scan_orders(g.dims),
        }
        return g.module(self, "unetgen_swin.state_space:StateSpace", x, channels=channels, arguments=arguments)

    def _scan_orders(self, dims: int) -> list[list[int]]:
        """Return the fastest axis and the direction along it, +1 or -1, of each scan."""
        if self.directions == "axes":
            return [[axis, direction] for axis in reversed(range(dims)) for direction in (1, -1)]
        return [[dims - 1, direction] for direction in (1, -1)[: self.directions]]


def _match_channels(g: Builder, x: Value, channels: int) -> Value:
    return x if x.channels == channels else g.conv(x, channels, 1, name="entry")


def _check_heads(g: Builder, part: Block, heads: int, channels: int) -> bool:
    if channels % heads == 0:
        return True
    divisors = [n for n in range(1, min(channels, 64) + 1) if channels % n == 0]
    below, above = max(n for n in divisors if n < heads), [n for n in divisors if n > heads][:1]
    hint = f"use {' or '.join(map(str, [below, *above]))}, or other channels"
    g.refuse(part, "heads", f"{heads} heads do not divide {channels} channels", hint)
    return False
