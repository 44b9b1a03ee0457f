"""Group the tensors of a state dict into layers: the tensors under one prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

# Buffers of norms. Older files have no counter, and inference does not use it.
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
        """The names and shapes of the weights, or of the running statistics if the layer has no weights."""
        shapes = {(name, squeeze_shape(tensor)) for name, tensor in self.tensors.items() if name != BATCH_COUNTER}
        return frozenset(shape for shape in shapes if shape[0] not in _RUNNING_STATISTICS) or frozenset(shapes)


def squeeze_shape(tensor: Tensor) -> tuple[int, ...]:
    """Return a shape without trailing ones, so that a linear layer matches a 1x1 convolution."""
    shape = tuple(tensor.shape)
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def get_layer_path(key: str) -> str:
    """Return the path of the layer that a state-dict key belongs to."""
    return key.rpartition(".")[0]


def group_into_layers(tensors: Mapping[str, Tensor]) -> list[StateLayer]:
    """Return the layers of a state dict, in its order."""
    layers: dict[str, StateLayer] = {}
    for key, tensor in tensors.items():
        path, _, parameter = key.rpartition(".")
        layers.setdefault(path, StateLayer(path)).tensors[parameter] = tensor
    return list(layers.values())


def group_by_signature(layers: Iterable[StateLayer]) -> dict[LayerSignature, list[StateLayer]]:
    """Return the layers by kind, in their order."""
    kinds: dict[LayerSignature, list[StateLayer]] = {}
    for layer in layers:
        kinds.setdefault(layer.signature, []).append(layer)
    return kinds
