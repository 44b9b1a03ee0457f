"""The memory estimate against the feature maps that torch holds."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import unetgen
from unetgen.analysis.memory import estimate_memory
from unetgen.graph.liveness import inplace_nodes

# Narrow versions of shipped networks, and networks with other layers.
SMALL = {"widths": [8, 16, 32], "levels": {0: {}}}
SPECS: dict[str, dict[str, Any]] = {
    "valid": {"block": {}},
    "milesial": {"block": {"padding": "zeros", "norm": "batch"}, "downsample": {"rounding": "floor"}, "skip": {"align": "pad"}},
    "three axes": {"dims": 3, "block": {"padding": "zeros", "norm": "instance"}},
    "signals": {"dims": 1, "block": {"padding": "zeros"}, "upsample": {"type": "interpolate", "mode": "linear"}},
    "residual": {"block": {"type": "residual", "padding": "zeros", "norm": "group", "activation": "silu"}},
    "leaky": {"block": {"padding": "zeros", "activation": "leaky_relu", "order": ["conv", "activation", "norm"], "norm": "batch"}},
    "reflected": {"block": {"padding": "reflect"}, "downsample": "avg_pool"},
    "strided": {"block": {"padding": "zeros"}, "downsample": "conv", "upsample": "pixel_shuffle", "skip": {"fusion": "add"}},
}  # fmt: skip


def model_and_image(name: str) -> tuple[Any, torch.Tensor]:
    spec = {
        "schema_version": 1,
        "in_channels": 1,
        "out_channels": 2,
        **SMALL,
        "levels": {0: {"block": {}}},
        **SPECS[name],
    }
    model = unetgen.build(spec, seed=0)
    minimum = {1: 2000, 2: 120, 3: 30}[model.graph.dims]
    size = tuple(fit.smallest_above(minimum) for fit in model.graph.fits)
    return model, torch.zeros(2, 1, *size)


class ByteCounter(TorchDispatchMode):
    """Counts the live bytes of all storages that ops allocate."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor.untyped_storage())
        return result

    def count(self, storage: Any) -> None:
        key = storage._cdata
        if key in self.seen:
            return
        self.seen.add(key)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.release, key, storage.nbytes())

    def release(self, key: int, count: int) -> None:
        self.seen.discard(key)
        self.live -= count


@pytest.mark.parametrize("name", SPECS)
def test_training_memory(name: str) -> None:
    """The estimate is within a tenth of what autograd saves, without parameters and buffers."""
    model, image = model_and_image(name)
    model_storages = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    saved: dict[int, int] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in model_storages:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        output = model(image)
    saved[output.untyped_storage().data_ptr()] = output.untyped_storage().nbytes()
    estimate = estimate_memory(model.graph, model.graph.sizes(tuple(image.shape[2:])), batch_size=2).training
    assert sum(saved.values()) == pytest.approx(estimate, rel=0.1)


@pytest.mark.parametrize("name", SPECS)
def test_inference_memory(name: str) -> None:
    """The estimate is within a twentieth of the peak of live bytes, including the image."""
    model, image = model_and_image(name)
    model.eval()
    with torch.no_grad(), ByteCounter() as counter:
        model(image)
    estimate = estimate_memory(model.graph, model.graph.sizes(tuple(image.shape[2:])), batch_size=2).inference
    assert counter.peak + image.nbytes == pytest.approx(estimate, rel=0.05)


@pytest.mark.parametrize("name", SPECS)
def test_in_place_activations_change_no_gradient(name: str) -> None:
    model, image = model_and_image(name)
    image = torch.randn_like(image)
    assert inplace_nodes(model.graph) or name == "residual"
    gradients = []
    for inplace in (True, False):
        for module in model.modules():
            if hasattr(module, "inplace") and not inplace:
                module.inplace = False
        model.zero_grad()
        model(image).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_image_is_never_overwritten() -> None:
    block = {"padding": "zeros", "order": ["activation", "conv"]}
    spec = {
        "schema_version": 1,
        "in_channels": 1,
        "out_channels": 1,
        "widths": [2, 4],
        "block": block,
        "skip": {"align": "strict"},
    }
    model = unetgen.build(spec, seed=0).eval()
    image = torch.randn(1, 1, 8, 8)
    before = image.clone()
    with torch.no_grad():
        model(image)
    assert torch.equal(image, before)
    assert not model.get_submodule("encoder.0.activation1").inplace


def test_a_skip_that_is_still_needed_is_never_overwritten() -> None:
    """The next level's activation would change the skip in place if pooling returned its input."""
    block = {"padding": "zeros", "order": ["activation", "conv"]}
    spec = {"schema_version": 1, "in_channels": 1, "out_channels": 1, "widths": [2, 4], "block": block,
            "downsample": {"type": "max_pool", "kernel_size": 1, "stride": 1}, "upsample": {"type": "interpolate", "factor": 1},
            "skip": {"align": "strict"}}  # fmt: skip
    graph = unetgen.graph_of(spec)
    paths = {graph.nodes[index].path for index in inplace_nodes(graph)}
    assert "decoder.0.activation1" in paths
    for node in graph.nodes:
        if node.index in inplace_nodes(graph):
            assert all(reader <= node.index for reader in graph.consumers[node.inputs[0]])
