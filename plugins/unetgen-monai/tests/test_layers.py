"""Test that norms, activations and dropouts become the same layers as in unetgen's own blocks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_networks import build, spec_with
from torch import nn

import unetgen
from unetgen.config.registry.registry import Registry

NORMS: list[dict[str, Any]] = [
    {"type": "batch"},
    {"type": "batch", "eps": 1e-3, "momentum": 0.2, "affine": False},
    {"type": "batch", "track_running_stats": False},
    {"type": "instance"},
    {"type": "instance", "eps": 1e-3, "affine": True, "track_running_stats": True, "momentum": 0.2},
    {"type": "group", "groups": 2},
    {"type": "group", "groups": "channels", "affine": False},
    {"type": "group", "group_size": 4, "eps": 1e-3},
    {"type": "group", "groups": 8, "few_channels": "one_group"},
]

ACTIVATIONS: list[dict[str, Any]] = [
    *({"type": name} for name in ("relu", "relu6", "elu", "selu", "celu", "silu", "mish", "sigmoid", "tanh")),
    {"type": "leaky_relu", "negative_slope": 0.2},
    {"type": "elu", "alpha": 0.5},
    {"type": "celu", "alpha": 0.5},
    {"type": "gelu", "approximate": "tanh"},
    {"type": "prelu", "start": 0.1},
    {"type": "prelu", "slopes": "channel"},
]

DROPOUTS: list[dict[str, Any]] = [{"type": name, "rate": 0.3} for name in ("element", "channel", "alpha")]


def build_layer_pair(
    registry: Registry, option: str, value: dict[str, Any], dims: int = 2
) -> tuple[nn.Module, nn.Module]:
    """Return the layer in MONAI's convolution, and that after unetgen's own."""
    no_layers: dict[str, Any] = {"norm": "none", "activation": "none"}
    theirs = build(registry, "block", "monai_convolution", {**no_layers, option: value}, dims=dims, pooled=True)
    single = {**no_layers, "padding": "zeros", "repeats": 1, option: value}
    ours = build(registry, "block", "conv", single, dims=dims, pooled=True)
    letter = {"norm": "N", "activation": "A", "dropout": "D"}[option]
    return (
        theirs.get_submodule(f"encoder.0.monai_convolution.adn.{letter}"),
        ours.get_submodule(f"encoder.0.{option}1"),
    )


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("norm", NORMS)
def test_norms(registry: Registry, norm: dict[str, Any], dims: int) -> None:
    theirs, ours = build_layer_pair(registry, "norm", norm, dims)
    assert repr(theirs) == repr(ours)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(registry: Registry, activation: dict[str, Any]) -> None:
    theirs, ours = build_layer_pair(registry, "activation", activation)
    x = torch.linspace(-8, 8, 4 * 5).reshape(1, 4, 5, 1)
    assert torch.equal(theirs(x.clone()), ours(x.clone()))
    assert {k: v.shape for k, v in theirs.state_dict().items()} == {k: v.shape for k, v in ours.state_dict().items()}


@pytest.mark.parametrize(
    ("dropout", "dims"), [(d, n) for d in DROPOUTS for n in (1, 2, 3) if (d["type"], n) != ("channel", 1)]
)
def test_dropouts(registry: Registry, dropout: dict[str, Any], dims: int) -> None:
    theirs, ours = build_layer_pair(registry, "dropout", dropout, dims)
    assert repr(theirs) == repr(ours)


def test_gate_has_half_of_the_skips_channels(registry: Registry) -> None:
    spec = spec_with(registry, "transform", "monai_attention_gate", {})
    model = unetgen.build(spec, **{"decoder.widths": [6], "registry": registry})
    gate = model.get_submodule("decoder.0.skip.monai_attention_gate")
    shapes = {name: tuple(gate.get_submodule(f"{name}.0.conv").weight.shape[:2]) for name in ("W_g", "W_x", "psi")}
    assert shapes == {"W_g": (2, 6), "W_x": (2, 4), "psi": (1, 2)}


@pytest.mark.parametrize("ordering", ["NDA", "NAD", "DNA", "DAN", "AND", "ADN"])
def test_orderings(registry: Registry, ordering: str) -> None:
    options = {"dropout": 0.1, **({"adn_ordering": ordering} if ordering != "NDA" else {})}
    model = build(registry, "block", "monai_convolution", options)
    adn = model.get_submodule("encoder.0.monai_convolution.adn")
    assert "".join(name for name, _ in adn.named_children()) == ordering
