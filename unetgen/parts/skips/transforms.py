"""Transforms: process the skip between encoder and decoder."""

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
from unetgen.parts.layers.dropouts import NoDropout, inert_dropout_place
from unetgen.parts.layers.norms import Batch


class NoTransform(Transform):
    """No transform: the skip stays unchanged."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        return skip


class SkipBlock(Transform):
    """A block on the skip, then an attention, an activation and a dropout; all are optional."""

    type: ClassVar[str] = "through"

    channels: Channels | None = None
    """The block's output channels (default: the skip's channels)."""

    block: Annotated[Block, In("block")] = NoBlock()
    attention: Annotated[Attention, In("attention")] = NoAttention()
    activation: Annotated[Activation, In("activation")] = NoActivation()
    dropout: Annotated[Dropout, In("dropout")] = NoDropout()

    def inert(self) -> list[Inert]:
        inert = inert_dropout_place(self.dropout)
        if self.block.type == "none":
            inert.append(Inert("channels", "block", "no block is set"))
        return inert

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        with g.scope("through", label=type(self.block).__name__):
            x = self.block.emit(g, skip, self.channels or skip.channels)
            x = self.attention.emit(g, x)
            x = self.activation.emit(g, x, "activation")
            return self.dropout.emit(g, x, "dropout", last=True)


class ResidualPath(Transform):
    """A chain of residual convolutions on the skip: MultiResUNet's "Res path" (Ibtehaz and Rahman 2020).

    Each step sums a 3x3 and a 1x1 convolution, each with a norm, and applies the activation. ``norm_again`` adds
    another norm and activation after the 3x3 branch and, with the same weights, after the sum.
    """

    type: ClassVar[str] = "residual_path"

    steps: Count = 4
    channels: Channels | None = None
    """The output channels of each step (default: the skip's channels)."""

    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = Relu()
    branch_activation: bool = True
    """Whether the 3x3 branch has an activation before the sum."""

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
    """The channels in which skip and gating signal are added: half the skip's, the skip's, or a number."""

    norm: Annotated[Norm, In("norm")] = Batch()

    def resolve_inner_channels(self, skip: Value) -> int:
        """Return the number of channels in which skip and gating signal are added."""
        if isinstance(self.inner_channels, int):
            return self.inner_channels
        return max(skip.channels // 2, 1) if self.inner_channels == "half" else skip.channels


class AttentionGate(_AdditiveGate):
    """Additive attention at the skip's resolution (Oktay et al. 2018, as in most reimplementations).

    The skip times sigmoid(psi(relu(W_x skip + W_g upsampled))); W_x, W_g and psi are 1x1 convolutions with norms.
    """

    type: ClassVar[str] = "attention_gate"

    bias: bool = True

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        with g.scope("gate", label="AttentionGate"):
            gating = self._emit_conv_norm(g, upsampled, self.resolve_inner_channels(skip), "gating")
            projected = self._emit_conv_norm(g, skip, self.resolve_inner_channels(skip), "skip")
            x = Relu().emit(g, g.add(gating, projected), "activation")
            x = Sigmoid().emit(g, self._emit_conv_norm(g, x, 1, "psi"), "sigmoid")
            return g.scale(skip, x, "pixels")

    def _emit_conv_norm(self, g: Builder, x: Value, channels: int, name: str) -> Value:
        return self.norm.emit(g, g.conv(x, channels, 1, name=name, bias=self.bias), f"{name}_norm")


class GridAttentionGate(_AdditiveGate):
    """Additive attention at the resolution of the level below (Oktay et al. 2018, as in the authors' code).

    A strided convolution reduces the skip to that resolution; the gate is interpolated back. The gated skip goes
    through a 1x1 convolution and a norm. ``block`` computes the gating signal from the feature map from below.
    """

    type: ClassVar[str] = "grid_attention_gate"

    factor: Factor = 2
    mode: InterpolationMode = "linear"
    align_corners: bool = False
    gating_channels: Channels | None = None
    """The output channels of ``block`` (default: its input channels)."""

    block: Annotated[Block, In("block")] = NoBlock()
    combine: bool = False
    """Whether another 1x1 unit follows, with which the authors combine several gates."""

    def inert(self) -> list[Inert]:
        inert = [Inert("align_corners", "mode", "mode 'nearest' ignores it")] if self.mode == "nearest" else []
        if self.block.type == "none":
            inert.append(Inert("gating_channels", "block", "no block is set"))
        return inert

    def emit(self, g: Builder, skip: Value, upsampled: Value, below: Value) -> Value:
        g.check_mode(self, self.mode)
        inner_channels = self.resolve_inner_channels(skip)
        with g.scope("gate", label="GridAttentionGate"):
            with g.scope("signal", label=type(self.block).__name__):
                signal = self.block.emit(g, below, self.gating_channels or below.channels)
            theta = g.conv(skip, inner_channels, self.factor, name="theta", stride=self.factor, bias=False)
            signal = g.conv(signal, inner_channels, 1, name="phi")
            signal = g.resize_to(signal, theta, self.mode, self.align_corners, name="phi_resize")
            x = Relu().emit(g, g.add(theta, signal), "activation")
            x = Sigmoid().emit(g, g.conv(x, 1, 1, name="psi"), "sigmoid")
            x = g.resize_to(x, skip, self.mode, self.align_corners, name="psi_resize")
            x = g.scale(skip, x, "pixels")
            x = self.norm.emit(g, g.conv(x, skip.channels, 1, name="out"), "out_norm")
            if not self.combine:
                return x
            x = self.norm.emit(g, g.conv(x, skip.channels, 1, name="combine"), "combine_norm")
            return Relu().emit(g, x, "combine_activation")
