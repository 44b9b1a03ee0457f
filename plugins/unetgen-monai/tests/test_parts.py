"""Test every part in every number of dimensions, and that each option changes the network."""

from __future__ import annotations

import re

import pytest
import torch
from small_networks import PARTS, TABLE, Options, build, image, spec_with
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from unetgen_monai.plugin import unetgen_parts

import unetgen
from unetgen.analysis.cost import count_parameters, total_cost
from unetgen.config.registry.registry import Registry
from unetgen.network.unet import UNet

PART_DIMS = [(slot, name, dims) for slot, name in PARTS for dims in (1, 2, 3) if (name, dims) != ("monai_mednext", 1)]
PART_OPTIONS = [(slot, name, options) for slot, name in PARTS for options in TABLE[slot, name]]

# Biases before a norm, which removes them.
INEFFECTIVE_BIASES = {
    "monai_convolution": r"monai_convolution\.conv\.bias",
    "monai_residual_unit": r"unit\d\.conv\.bias",
    "monai_two_conv": r"conv_\d\.conv\.bias",
    "monai_mednext": r"monai_mednext\.conv1\.bias",
    "monai_attention_gate": r"(W_g|W_x|psi)\.0\.conv\.bias",
}


def test_the_table_has_every_part() -> None:
    assert sorted((part.slot, part.type) for part in unetgen_parts()) == PARTS


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_the_table_has_every_option(registry: Registry, slot: str, name: str) -> None:
    entry = registry.find(slot, name)
    assert entry is not None
    assert set(entry.part.model_fields) == {option for options in TABLE[slot, name] for option in options}


def check_predictions(model: UNet) -> None:
    """Check that shapes, parameters and multiply-adds equal those of the graph."""
    graph, x = model.graph, image(model)
    sizes = graph.sizes(tuple(x.shape[2:]))
    with FlopCounterMode(display=False) as counter:
        output = model(x)
    assert output.shape == (2, 2, *sizes[graph.output])
    assert counter.get_total_flops() == 2 * total_cost(graph, sizes).flops
    assert {key: tuple(p.shape) for key, p in model.named_parameters()} == {
        key: parameter.shape for key, parameter in graph.parameters.items()
    }
    assert sum(p.numel() for p in model.parameters()) == count_parameters(graph)


@pytest.mark.parametrize(("slot", "name", "dims"), PART_DIMS)
def test_runs_as_predicted(registry: Registry, slot: str, name: str, dims: int) -> None:
    check_predictions(build(registry, slot, name, {}, dims=dims))


@pytest.mark.parametrize(("slot", "name", "options"), PART_OPTIONS)
def test_every_option_runs_as_predicted_and_changes_the_output(
    registry: Registry, slot: str, name: str, options: Options
) -> None:
    """Compare tensors and outputs in training, with dropouts, not the arguments."""
    pooled = name == "monai_residual_unit" and "dilation" in options
    model, default = (build(registry, slot, name, o, pooled=pooled) for o in (options, {}))
    check_predictions(model)
    if shapes(model) == shapes(default):
        assert not torch.equal(output_after_step(model), output_after_step(default))


def shapes(model: UNet) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


def output_after_step(model: UNet) -> Tensor:
    """Return the output in training after one step, so that no scale is at its initial 0 or 1."""
    torch.manual_seed(1)
    train_step(model.train(), image(model))
    return model(image(model)).detach()


def train_step(model: UNet, x: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    output = model(x)
    target = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    torch.nn.functional.mse_loss(output, target).backward()
    optimizer.step()


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_one_step_changes_every_parameter(registry: Registry, slot: str, name: str) -> None:
    model = build(registry, slot, name, {}).double()
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    train_step(model, image(model, dtype=torch.float64))
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    unchanged = {key for key, p in model.named_parameters() if (p - before[key]).abs().max() < 1e-12}
    assert unchanged == {
        key for key in before if name in INEFFECTIVE_BIASES and re.search(INEFFECTIVE_BIASES[name] + "$", key)
    }


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_equal_seeds_give_equal_weights(registry: Registry, slot: str, name: str) -> None:
    first, second, other = (build(registry, slot, name, {}, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first if name in key)


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_a_part_resolves_to_itself(registry: Registry, slot: str, name: str) -> None:
    for options in TABLE[slot, name]:
        spec = spec_with(registry, slot, name, options)
        again = unetgen.load_spec(spec.resolved(), registry=registry)
        assert again.hash == spec.hash
