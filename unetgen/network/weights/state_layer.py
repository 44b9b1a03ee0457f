"""A layer as a state dict shows it: the tensors under one prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

# What a norm keeps beside its weights. Older files have no counter, and it counts for nothing in a finished network.
BATCH_COUNTER = "num_batches_tracked"
_RUNNING_STATISTICS = ("running_mean", "running_var")

LayerSignature = frozenset[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class StateLayer:
    """One layer's tensors by parameter name."""

    path: str
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def signature(self) -> LayerSignature:
        """The names and shapes of the weights; the running statistics alone where there are no weights."""
        shapes = {(name, squeeze_shape(tensor)) for name, tensor in self.tensors.items() if name != BATCH_COUNTER}
        return frozenset(shape for shape in shapes if shape[0] not in _RUNNING_STATISTICS) or frozenset(shapes)


def squeeze_shape(tensor: Tensor) -> tuple[int, ...]:
    """A shape without the ones at its end: a linear layer's weight is that of a 1x1 convolution."""
    shape = tuple(tensor.shape)
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def get_layer_path(key: str) -> str:
    """The path of the layer that a state-dict key belongs to."""
    return key.rpartition(".")[0]


def group_into_layers(tensors: Mapping[str, Tensor]) -> list[StateLayer]:
    """The layers of a state dict, in its order."""
    layers: dict[str, StateLayer] = {}
    for key, tensor in tensors.items():
        path, _, parameter = key.rpartition(".")
        layers.setdefault(path, StateLayer(path)).tensors[parameter] = tensor
    return list(layers.values())


def group_by_signature(layers: Iterable[StateLayer]) -> dict[LayerSignature, list[StateLayer]]:
    """The layers of each kind, in their order."""
    kinds: dict[LayerSignature, list[StateLayer]] = {}
    for layer in layers:
        kinds.setdefault(layer.signature, []).append(layer)
    return kinds
