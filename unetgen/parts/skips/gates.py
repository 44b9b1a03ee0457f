"""Gates: weight the feature map from below by the skip, before it is upsampled."""

from __future__ import annotations

from typing import Annotated, ClassVar

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Factor
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Gate, Norm
from unetgen.parts.layers.activations import NoActivation, Relu
from unetgen.parts.layers.norms import Batch


class NoGate(Gate):
    """No gate: the feature map from below stays unchanged."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, below: Value, skip: Value) -> Value:
        return below


class Additive(Gate):
    """An additive attention gate on the feature map from below: ResUNet++ (Jha et al. 2019).

    Skip and feature map each go through a norm, a ReLU and a 3x3 convolution, and the skip is pooled to the size
    below. Their sum goes through a norm, a ReLU, a 1x1 convolution to one channel and ``activation``; the result
    multiplies the feature map from below.
    """

    type: ClassVar[str] = "additive"

    channels: Channels | None = None
    """The channels in which skip and feature map are added (default: those of the feature map from below)."""

    factor: Factor = 2
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = NoActivation()
    """The activation of the gate; the authors use none."""

    def emit(self, g: Builder, below: Value, skip: Value) -> Value:
        inner_channels = self.channels or below.channels
        pooled = self._emit_unit(g, skip, inner_channels, 3, "skip")
        pooled = g.max_pool(pooled, self.factor, self.factor, "exact", name="skip_pool")
        x = g.add(pooled, self._emit_unit(g, below, inner_channels, 3, "below"))
        x = self.activation.emit(g, self._emit_unit(g, x, 1, 1, "gate"), "gate_activation")
        return g.scale(below, x, "pixels")

    def _emit_unit(self, g: Builder, x: Value, channels: int, kernel_size: int, name: str) -> Value:
        x = Relu().emit(g, self.norm.emit(g, x, f"{name}_norm"), f"{name}_relu")
        padding = "zeros" if kernel_size > 1 else "valid"
        return g.conv(x, channels, kernel_size, name=f"{name}_conv", padding=padding, bias=self.bias)
