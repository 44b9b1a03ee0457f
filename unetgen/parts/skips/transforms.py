"""Transforms: what a skip goes through on its way from the encoder to the decoder."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Count, Factor, Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops.resampling import InterpolationMode
from unetgen.graph.part_types import Activation, Attention, Block, Dropout, Norm, Transform
from unetgen.parts.blocks.convolutional import NoBlock
from unetgen.parts.layers.activations import NoActivation, Relu, Sigmoid
from unetgen.parts.layers.attentions import NoAttention
from unetgen.parts.layers.dropouts import NoDropout
from unetgen.parts.layers.norms import Batch


class NoTransform(Transform):
    """The skip as it is."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        return skip


class SkipBlock(Transform):
    """A block on the skip, then an attention, an activation and a dropout, each of them if it is named."""

    type: ClassVar[str] = "through"

    channels: Channels | None = None
    """What the block makes; as many as it gets unless it is said."""

    block: Annotated[Block, In("block")] = NoBlock()
    attention: Annotated[Attention, In("attention")] = NoAttention()
    activation: Annotated[Activation, In("activation")] = NoActivation()
    dropout: Annotated[Dropout, In("dropout")] = NoDropout()

    def inert(self) -> list[Inert]:
        found = [Inert("dropout.place", "dropout", "there is one place only")] if self.dropout.type != "none" else []
        if self.block.type == "none":
            found.append(Inert("channels", "block", "there is no block to make them"))
        return found

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        with g.scope("through", label=type(self.block).__name__):
            x = self.block.emit(g, skip, self.channels or skip.channels)
            x = self.attention.emit(g, x)
            x = self.activation.emit(g, x, "activation")
            return self.dropout.emit(g, x, "dropout", last=True)


class ResidualPath(Transform):
    """A chain of residual convolutions that brings the encoder's map nearer to the decoder's (Ibtehaz and Rahman 2020).

    Each step is a convolution beside a 1x1 one, both normed, summed and activated. With ``norm_again`` one more
    norm and activation stand behind the convolution, and that same norm behind the sum too.
    """

    type: ClassVar[str] = "residual_path"

    steps: Count = 4
    channels: Channels | None = None
    """What each step makes; as many as the skip has unless it is said."""

    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()
    branch_activation: bool = True
    """Whether the 3x3 branch is activated before the sum."""

    norm_again: bool = False

    def inert(self) -> list[Inert]:
        return [Inert("norm_again", "norm", "there is no norm")] if self.norm.type == "none" else []

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        x = skip
        with g.scope("path", label="ResidualPath"):
            for step in range(1, self.steps + 1):
                with g.scope(str(step)):
                    x = self._emit_step(g, x, self.channels or skip.channels)
        return x

    def _emit_step(self, g: Builder, x: Value, channels: int) -> Value:
        shortcut = g.conv(x, channels, 1, name="shortcut", bias=self.bias)
        shortcut = self.norm.emit(g, shortcut, "shortcut_norm")
        x = g.conv(x, channels, 3, name="conv", padding="zeros", bias=self.bias)
        x = self.norm.emit(g, x, "norm")
        x = self.activation.emit(g, x, "branch_activation") if self.branch_activation else x
        if not self.norm_again:
            return self.activation.emit(g, g.add(shortcut, x), "activation")
        with g.scope("branch", label="Again"):
            x = self.activation.emit(g, self.norm.emit(g, x, "norm"), "activation")
        x = g.add(shortcut, x)
        with g.scope("sum", label="Again", like="branch"):
            return self.activation.emit(g, self.norm.emit(g, x, "norm"), "activation")


class _AdditiveGate(Transform):
    inner_channels: Annotated[Literal["half", "skip"] | Channels, Field(union_mode="left_to_right")] = "half"
    """The channels in which skip and gating signal are added: half the skip's, as many, or a number."""

    norm: Annotated[Norm, In("norm")] = Batch()

    def resolve_inner_channels(self, skip: Value) -> int:
        """The channels of the additive attention."""
        shares = {"half": max(skip.channels // 2, 1), "skip": skip.channels}
        return self.inner_channels if isinstance(self.inner_channels, int) else shares[self.inner_channels]


class AttentionGate(_AdditiveGate):
    """Additive attention at the skip's own resolution (Oktay et al. 2018, as most reimplementations have it).

    sigmoid(psi(relu(W_x skip + W_g upsampled))) times the skip, each W and psi a 1x1 convolution and a norm.
    """

    type: ClassVar[str] = "attention_gate"

    bias: bool = True

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        with g.scope("gate", label="AttentionGate"):
            gating = self._emit_conv_norm(g, upsampled, self.resolve_inner_channels(skip), "gating")
            own = self._emit_conv_norm(g, skip, self.resolve_inner_channels(skip), "skip")
            x = Relu().emit(g, g.add(gating, own), "activation")
            x = Sigmoid().emit(g, self._emit_conv_norm(g, x, 1, "psi"), "sigmoid")
            return g.scale(skip, x, "pixels")

    def _emit_conv_norm(self, g: Builder, x: Value, channels: int, name: str) -> Value:
        return self.norm.emit(g, g.conv(x, channels, 1, name=name, bias=self.bias), f"{name}_norm")


class GridAttentionGate(_AdditiveGate):
    """Additive attention on the grid of the gating signal, a level below (Oktay et al. 2018, the authors' form).

    The skip is brought to that grid by a strided convolution, the gate back by interpolation, and the gated skip
    through a 1x1 convolution and a norm. ``block`` makes the gating signal of what comes from below.
    """

    type: ClassVar[str] = "grid_attention_gate"

    factor: Factor = 2
    mode: InterpolationMode = "linear"
    align_corners: bool = False
    gating_channels: Channels | None = None
    """What ``block`` makes; as many as it gets unless it is said."""

    block: Annotated[Block, In("block")] = NoBlock()
    combine: bool = False
    """Whether one more 1x1 unit follows, by which the authors join several gates."""

    def inert(self) -> list[Inert]:
        found = [Inert("align_corners", "mode", "nearest takes whole pixels")] if self.mode == "nearest" else []
        if self.block.type == "none":
            found.append(Inert("gating_channels", "block", "there is no block to make them"))
        return found

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        g.check_mode(self, self.mode)
        inner = self.resolve_inner_channels(skip)
        with g.scope("gate", label="GridAttentionGate"):
            with g.scope("signal", label=type(self.block).__name__):
                signal = self.block.emit(g, below, self.gating_channels or below.channels)
            own = g.conv(skip, inner, self.factor, name="theta", stride=self.factor, bias=False)
            signal = g.conv(signal, inner, 1, name="phi")
            signal = g.resize_to(signal, own, self.mode, self.align_corners, name="phi_resize")
            x = Relu().emit(g, g.add(own, signal), "activation")
            x = Sigmoid().emit(g, g.conv(x, 1, 1, name="psi"), "sigmoid")
            x = g.resize_to(x, skip, self.mode, self.align_corners, name="psi_resize")
            x = g.scale(skip, x, "pixels")
            x = self.norm.emit(g, g.conv(x, skip.channels, 1, name="out"), "out_norm")
            if not self.combine:
                return x
            x = self.norm.emit(g, g.conv(x, skip.channels, 1, name="combine"), "combine_norm")
            return Relu().emit(g, x, "combine_activation")
