"""Initial weights: determined by the seed and the tensor's path, with the distribution of the init."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unetgen

BASE = {"schema_version": 1, "in_channels": 1, "out_channels": 2, "widths": [4, 8, 16], "block": {"padding": "zeros"}}


def weights(**overrides: Any) -> dict[str, Tensor]:
    return unetgen.build(BASE, **{"seed": 7, **overrides}).state_dict()


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"levels.1.decoder.block": {"type": "residual", "repeats": 3}}, "decoder.1."),
        ({"levels.0.encoder.block": {"type": "residual", "kernel_size": 5}}, "encoder.0."),
        ({"bottleneck.block.norm": "batch"}, "bottleneck."),
        ({"levels.1.skip.fusion": "add"}, "decoder.1.conv1."),
        ({"levels.0.skip": "none"}, "decoder.0.conv1."),
        ({"upsample": {"type": "interpolate", "projection": "after"}}, ("decoder.0.up.", "decoder.1.up.")),
        ({"out_channels": 5, "head.kernel_size": 3}, "head."),
    ],
)
def test_a_change_elsewhere_leaves_weights_bit_identical(
    change: dict[str, Any], touched: str | tuple[str, ...]
) -> None:
    before, after = weights(), weights(**change)
    assert any(key not in after or before[key].shape != after[key].shape for key in before) or set(after) - set(before)
    for key, tensor in before.items():
        if not key.startswith(touched):
            assert torch.equal(after[key], tensor), key


def test_another_level_keeps_the_other_weights() -> None:
    before, after = weights(), weights(widths=[4, 8, 16, 32])
    kept = [key for key in before if key.startswith(("encoder.", "decoder.0.", "decoder.1.", "head."))]
    assert len(kept) > 20
    assert all(torch.equal(before[key], after[key]) for key in kept)


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_the_seed_determines_every_kernel() -> None:
    assert equal(weights(seed=3), weights(seed=3))
    one, two = weights(seed=3), weights(seed=4)
    kernels = [key for key in one if key.endswith("weight")]
    assert not any(torch.equal(one[key], two[key]) for key in kernels)


def test_all_kernels_of_a_network_differ() -> None:
    state = weights(widths=[8, 8, 8])
    kernels = [tensor for key, tensor in state.items() if key.endswith("weight") and tensor.shape == (8, 8, 3, 3)]
    assert len(kernels) > 4
    assert len({tuple(kernel.flatten().tolist()) for kernel in kernels}) == len(kernels)


def test_without_a_seed_torchs_generator_determines_it() -> None:
    torch.manual_seed(11)
    first, second = weights(seed=None), weights(seed=None)
    torch.manual_seed(11)
    assert equal(first, weights(seed=None))
    assert not equal(first, second)


def test_a_seed_does_not_change_torchs_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weights(seed=1)
    assert torch.equal(torch.rand(3), expected)


# gain^2 / fan, with the fans of 64 -> 128 channels under a 3x3 kernel.
FAN_IN, FAN_OUT = 64 * 9, 128 * 9
DEVIATIONS: dict[str, tuple[dict[str, Any], float]] = {
    "he_normal": ({"type": "he_normal"}, math.sqrt(2 / FAN_IN)),
    "he_normal fan_out": ({"type": "he_normal", "mode": "fan_out"}, math.sqrt(2 / FAN_OUT)),
    "he_normal linear": ({"type": "he_normal", "nonlinearity": "linear"}, math.sqrt(1 / FAN_IN)),
    "he_normal leaky": (
        {"type": "he_normal", "nonlinearity": "leaky_relu", "negative_slope": 0.5},
        math.sqrt(2 / 1.25 / FAN_IN),
    ),
    "he_uniform": ({"type": "he_uniform"}, math.sqrt(2 / FAN_IN)),
    "xavier_normal": ({"type": "xavier_normal", "gain": 2.0}, 2 * math.sqrt(2 / (FAN_IN + FAN_OUT))),
    "xavier_uniform": ({"type": "xavier_uniform"}, math.sqrt(2 / (FAN_IN + FAN_OUT))),
    "normal": ({"type": "normal", "std": 0.1}, 0.1),
    "torch_default": ({"type": "torch_default"}, math.sqrt(1 / FAN_IN / 3)),
}


@pytest.mark.parametrize("case", DEVIATIONS)
def test_kernels_have_the_deviation_of_their_init(case: str) -> None:
    init, deviation = DEVIATIONS[case]
    kernel = weights(widths=[64, 128], init=init)["bottleneck.conv1.weight"]
    assert kernel.std().item() == pytest.approx(deviation, rel=0.02)  # 73,728 values: about 0.3 % either way
    assert kernel.mean().abs().item() < 5 * deviation / math.sqrt(kernel.numel())
    if "uniform" in case or case == "torch_default":
        assert kernel.abs().max().item() <= deviation * math.sqrt(3) * (1 + 1e-6)
    else:
        assert kernel.abs().max().item() > 3 * deviation


def test_normal_has_its_mean() -> None:
    init = {"type": "normal", "mean": 1.0, "std": 0.5}
    kernel = weights(widths=[64, 128], init=init)["bottleneck.conv1.weight"]
    assert kernel.mean().item() == pytest.approx(1.0, abs=0.01)


def test_orthogonal_kernels_are_orthogonal() -> None:
    kernel = weights(widths=[16, 32], init={"type": "orthogonal", "gain": 2.0})["bottleneck.conv1.weight"]
    rows = kernel.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 4 * torch.eye(len(rows)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("init", ["he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "orthogonal", "normal"])
def test_biases_and_norms_start_at_zero_and_one(init: str) -> None:
    model = unetgen.build(BASE, seed=1, init=init, **{"block.norm": "batch", "block.activation": "prelu"})
    for path, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.eq(1).all(), path
            assert module.running_mean.eq(0).all(), path
            assert module.running_var.eq(1).all(), path
            assert module.num_batches_tracked == 0
        if isinstance(module, nn.PReLU):
            assert module.weight.eq(0.25).all(), path
        if getattr(module, "bias", None) is not None:
            assert module.bias.eq(0).all(), path


def test_torch_default_equals_torch() -> None:
    """Compared with a convolution that torch itself initialised."""
    state = weights(widths=[64, 128], init="torch_default")
    own = nn.Conv2d(64, 128, 3)
    for ours, theirs in [(state["bottleneck.conv1.weight"], own.weight), (state["bottleneck.conv1.bias"], own.bias)]:
        assert ours.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.05)
    assert state["bottleneck.conv1.bias"].std().item() == pytest.approx(own.bias.std().item(), rel=0.2)


def test_the_meta_device_allocates_nothing() -> None:
    """At this width one kernel alone would take 155 GB."""
    model = unetgen.build(BASE, widths=[64, 65536], device="meta", **{"block.norm": "batch"})
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    assert sum(p.numel() for p in model.parameters()) > 38e9


def test_building_does_not_change_the_mapping() -> None:
    mapping = {**BASE, "levels": {0: {"skip": "none"}}, "init": {"type": "normal"}}
    before = json.dumps(mapping)
    first, second = unetgen.build(mapping, seed=1), unetgen.build(mapping, seed=1)
    assert json.dumps(mapping) == before
    assert first.spec.hash == second.spec.hash == unetgen.build(first.spec, seed=1).spec.hash
    assert first.graph.digest == second.graph.digest
    assert equal(first.state_dict(), second.state_dict())
