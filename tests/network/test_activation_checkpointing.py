"""Activation checkpointing changes memory and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import unetgen
from unetgen.analysis.memory import estimate_memory

SMALL: dict[str, Any] = {"widths": [8, 16, 32, 64, 64], "input_size": [64, 64]}
PREACTIVATED = {"block": {"order": ["norm", "activation", "conv"]}}
PATHS = [
    ["encoder.0", "decoder.0"],
    ["encoder", "decoder"],
    ["encoder", "encoder.0", "bottleneck"],
    ["decoder.2.skip", "head"],
]


@pytest.mark.parametrize("paths", PATHS, ids=" ".join)
@pytest.mark.parametrize("order", [{}, PREACTIVATED], ids=["usual", "preactivated"])
def test_gradients_and_statistics_are_the_same(paths: list[str], order: dict[str, Any]) -> None:
    """Two steps, bit for bit: recomputed feature maps count once in running statistics."""
    plain = unetgen.build("unet_milesial", seed=0, **SMALL, **order)
    checkpointed = unetgen.build("unet_milesial", seed=0, checkpointing=paths, **SMALL, **order)
    image = torch.randn(2, 3, 64, 64)
    for model in (plain, checkpointed):
        for _ in range(2):
            model(image).square().mean().backward()
    for (key, first), second in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        assert torch.equal(first.grad, second.grad), key
    for key, tensor in plain.state_dict().items():
        assert torch.equal(tensor, checkpointed.state_dict()[key]), key


def test_dropout_is_equal_when_recomputed() -> None:
    models = [unetgen.build("unet_paper", seed=0, widths=[4, 8, 8, 8, 8], checkpointing=p) for p in ([], ["encoder.3"])]
    image, gradients = torch.randn(1, 1, 188, 188), []
    for model in models:
        torch.manual_seed(0)
        model(image).sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(first, second) for first, second in zip(*gradients, strict=True))


def saved_bytes(model: unetgen.UNet, image: Tensor) -> int:
    """Return the bytes of the distinct storages that autograd saves, without parameters and buffers."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    own |= {b.untyped_storage().data_ptr() for b in model.buffers()}
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = model(image)
    del result
    return sum(seen.values())


@pytest.mark.parametrize("paths", [["encoder.0", "decoder.0"], ["encoder", "bottleneck", "decoder"]], ids=" ".join)
def test_saved_and_estimated_memory_decrease(paths: list[str]) -> None:
    """torch saves the inputs of recomputed modules; the estimate adds the largest module during recomputation."""
    plain = unetgen.build("unet_milesial", seed=0, **SMALL)
    checkpointed = unetgen.build("unet_milesial", seed=0, checkpointing=paths, **SMALL)
    image = torch.randn(2, 3, 64, 64)
    assert saved_bytes(checkpointed, image) < 0.7 * saved_bytes(plain, image)
    estimates = [
        estimate_memory(model.graph, model.graph.sizes((64, 64)), batch_size=2).training
        for model in (plain, checkpointed)
    ]
    assert estimates[1] < 0.9 * estimates[0]


def test_compile_and_export() -> None:
    model = unetgen.build("unet_milesial", checkpointing=["encoder", "decoder"], widths=[4, 8])
    image = torch.randn(2, 3, 8, 8)
    torch.compile(model, fullgraph=True, backend="aot_eager")(image).mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    with torch.no_grad():
        assert torch.equal(torch.export.export(model, (image,)).module()(image), model(image))


def test_it_is_in_the_spec_but_not_in_the_hash() -> None:
    plain, checkpointed = unetgen.load_spec("unet_1d"), unetgen.load_spec("unet_1d", checkpointing=["encoder.0"])
    assert checkpointed.resolved()["checkpointing"] == ["encoder.0"]
    assert plain.hash == checkpointed.hash
    assert unetgen.graph_of(plain).digest == unetgen.graph_of(checkpointed).digest


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(unetgen.SpecError) as caught:
        unetgen.graph_of("unet_1d", checkpointing=["encodr.0", "decoder.7"])
    assert str(caught.value).splitlines() == [
        "override: checkpointing[0]: module 'encodr.0' does not exist; did you mean 'encoder.0'?",
        "override: checkpointing[1]: module 'decoder.7' does not exist; did you mean 'decoder.3'?",
    ]
