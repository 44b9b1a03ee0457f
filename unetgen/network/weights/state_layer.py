"""A layer as a state dict shows it: the tensors under one prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

# What a norm keeps beside its weights. Older files have no counter, and it counts for nothing in a finished network.
COUNTER = "num_batches_tracked"
_RUNNING = ("running_mean", "running_var")

Kind = frozenset[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class StateLayer:
    """One layer's tensors by parameter name."""

    path: str
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The names and shapes of the weights; the running statistics alone where there are no weights."""
        shapes = {(name, bare_shape(tensor)) for name, tensor in self.tensors.items() if name != COUNTER}
        return frozenset(shape for shape in shapes if shape[0] not in _RUNNING) or frozenset(shapes)


def bare_shape(tensor: Tensor) -> tuple[int, ...]:
    """A shape without the ones at its end: a linear layer's weight is that of a 1x1 convolution."""
    shape = tuple(tensor.shape)
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def layer_of(key: str) -> str:
    """The path of the layer that a state-dict key belongs to."""
    return key.rpartition(".")[0]


def layers_of(tensors: Mapping[str, Tensor]) -> list[StateLayer]:
    """The layers of a state dict, in its order."""
    layers: dict[str, StateLayer] = {}
    for key, tensor in tensors.items():
        path, _, parameter = key.rpartition(".")
        layers.setdefault(path, StateLayer(path)).tensors[parameter] = tensor
    return list(layers.values())


def by_kind(layers: Iterable[StateLayer]) -> dict[Kind, list[StateLayer]]:
    """The layers of each kind, in their order."""
    kinds: dict[Kind, list[StateLayer]] = {}
    for layer in layers:
        kinds.setdefault(layer.kind, []).append(layer)
    return kinds
