"""Gates: what a skip does to the map from below, before that is upsampled."""

from __future__ import annotations

from typing import Annotated, ClassVar

from unetgen.config.part_field import In
from unetgen.config.registry.part import Channels, Factor
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Gate, Norm
from unetgen.parts.layers.activations import NoActivation, Relu
from unetgen.parts.layers.norms import Batch


class NoGate(Gate):
    """What comes from below is left as it is."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, below: Value, skip: Value) -> Value:
        return below


class Additive(Gate):
    """Additive attention of skip and map from below, times that map: ResUNet++ (Jha et al. 2019).

    Each goes through norm, activation and a 3x3 convolution, the skip then through a pooling to the size below; their
    sum through norm, activation and a 1x1 convolution to one channel, and its own activation if any.
    """

    type: ClassVar[str] = "additive"

    channels: Channels | None = None
    """In which the two are added; those of the map from below unless it is said."""

    factor: Factor = 2
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Batch()
    activation: Annotated[Activation, In("activation")] = NoActivation()
    """Of the gate; the authors have none."""

    def emit(self, g: Builder, below: Value, skip: Value) -> Value:
        inner = self.channels or below.channels
        own = self._emit_unit(g, skip, inner, 3, "skip")
        own = g.max_pool(own, self.factor, self.factor, "exact", name="skip_pool")
        x = g.add(own, self._emit_unit(g, below, inner, 3, "below"))
        x = self.activation.emit(g, self._emit_unit(g, x, 1, 1, "gate"), "gate_activation")
        return g.scale(below, x, "pixels")

    def _emit_unit(self, g: Builder, x: Value, channels: int, kernel_size: int, name: str) -> Value:
        x = Relu().emit(g, self.norm.emit(g, x, f"{name}_norm"), f"{name}_relu")
        padding = "zeros" if kernel_size > 1 else "valid"
        return g.conv(x, channels, kernel_size, name=f"{name}_conv", padding=padding, bias=self.bias)
