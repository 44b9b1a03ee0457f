"""Every registered part: it is drawn, built and run, and each of its options changes the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import unetgen
from unetgen.config.slots import SLOTS
from unetgen.graph.graph import Graph

BASE: dict[str, Any] = {
    "schema_version": 1,
    "in_channels": 2,
    "out_channels": 2,
    "widths": [4, 8],
    "block": {"padding": "zeros"},
    "skip": {"align": "crop"},
}

# For each part, overlays that each change one option of it, over a first one that names the part.
# A part without a row, or an option that no row changes, fails.
TABLE: dict[tuple[str, str], tuple[dict[str, Any], list[dict[str, Any]]]] = {
    ("encoder", "plain"): ({}, []),
    ("decoder", "plain"): ({}, []),
    ("block", "conv"): (
        {},
        [{"repeats": 3}, {"kernel_size": 5}, {"kernel_size": [3, 5]}, {"padding": "reflect"}, {"dilation": 2},
         {"groups": 2}, {"bias": False}, {"order": ["norm", "activation", "conv"]}, {"norm": "batch"},
         {"activation": "elu"}, {"dropout": 0.5}, {"mid_channels": "half_output"}, {"mid_channels": 6}],
    ),
    ("block", "residual"): (
        {},
        [{"repeats": 3}, {"kernel_size": 5}, {"padding": "circular"}, {"dilation": 2}, {"groups": 2}, {"bias": False},
         {"order": ["norm", "activation", "conv"]}, {"norm": "batch"}, {"activation": "gelu"}, {"dropout": 0.1}],
    ),
    ("downsample", "max_pool"): ({}, [{"kernel_size": 3}, {"stride": 1}, {"rounding": "floor"}]),
    ("downsample", "avg_pool"): ({}, [{"kernel_size": 3}, {"stride": 1}, {"rounding": "ceil"}]),
    ("downsample", "conv"): (
        {},
        [{"kernel_size": 5}, {"stride": 1}, {"padding": "valid"}, {"rounding": "floor"}, {"bias": False},
         {"norm": "batch"}, {"activation": "relu"}],
    ),
    ("upsample", "transposed_conv"): (
        {},
        [{"channels": "keep"}, {"kernel_size": 4}, {"stride": 3}, {"padding": 1}, {"output_padding": 1},
         {"bias": False}, {"norm": "batch"}, {"activation": "relu"}],
    ),
    ("upsample", "interpolate"): (
        {"mode": "linear", "kernel_size": 3},
        [{"factor": 3}, {"mode": "cubic"}, {"align_corners": True}, {"projection": "before"}, {"kernel_size": 5},
         {"padding": "valid"}, {"bias": False}, {"norm": "batch"}, {"activation": "relu"}],
    ),
    ("upsample", "pixel_shuffle"): (
        {}, [{"channels": "keep"}, {"factor": 3}, {"kernel_size": 5}, {"padding": "valid"}, {"bias": False}],
    ),
    ("align", "strict"): ({}, []),
    ("align", "crop"): ({}, [{"operand": "upsampled"}]),
    ("align", "pad"): ({}, [{"operand": "skip"}, {"mode": "replicate"}]),
    ("align", "resize"): ({"mode": "linear"}, [{"operand": "skip"}, {"mode": "nearest"}, {"align_corners": True}]),
    ("fusion", "concat"): ({}, [{"order": "upsampled_first"}]),
    ("fusion", "add"): ({}, []),
    ("fusion", "multiply"): ({}, []),
    ("fusion", "none"): ({}, []),
    ("norm", "none"): ({}, []),
    ("norm", "batch"): ({}, [{"eps": 1e-3}, {"momentum": 0.2}, {"affine": False}, {"track_running_stats": False}]),
    ("norm", "instance"): (
        {"track_running_stats": True},
        [{"eps": 1e-3}, {"momentum": 0.2}, {"affine": True}, {"track_running_stats": False}],
    ),
    ("norm", "group"): ({"groups": 2}, [{"groups": 4}, {"eps": 1e-3}, {"affine": False}]),
    ("norm", "layer"): ({}, [{"eps": 1e-3}, {"affine": False}]),
    ("activation", "leaky_relu"): ({}, [{"negative_slope": 0.2}]),
    ("activation", "prelu"): ({}, [{"slopes": "channel"}, {"start": 0.1}]),
    ("activation", "rrelu"): ({}, [{"lower": 0.1}, {"upper": 0.5}]),
    ("activation", "elu"): ({}, [{"alpha": 0.5}]),
    ("activation", "celu"): ({}, [{"alpha": 0.5}]),
    ("activation", "gelu"): ({}, [{"approximate": "tanh"}]),
    ("activation", "hardtanh"): ({}, [{"min_val": -2.0}, {"max_val": 2.0}]),
    ("activation", "hardshrink"): ({}, [{"lambd": 0.1}]),
    ("activation", "softshrink"): ({}, [{"lambd": 0.1}]),
    ("activation", "softplus"): ({}, [{"beta": 2.0}, {"threshold": 10.0}]),
    ("activation", "threshold"): ({"threshold": 0.1, "value": 0.2}, [{"threshold": 0.2}, {"value": 0.3}]),
    **{("activation", name): ({}, []) for name in (
        "none", "relu", "relu6", "selu", "silu", "mish", "hardswish", "hardsigmoid", "tanhshrink", "softsign",
        "sigmoid", "log_sigmoid", "tanh", "softmax", "log_softmax",
    )},
    ("dropout", "none"): ({}, []),
    **{("dropout", name): ({"rate": 0.5}, [{"rate": 0.1}, {"place": "every"}]) for name in ("element", "channel", "alpha")},
    ("head", "conv"): ({"kernel_size": 3}, [{"kernel_size": 5}, {"padding": "zeros"}, {"bias": False}, {"activation": "sigmoid"}]),
    ("init", "torch_default"): ({}, []),
    **{("init", name): (
        {"nonlinearity": "leaky_relu"}, [{"mode": "fan_out"}, {"nonlinearity": "linear"}, {"negative_slope": 0.1}],
    ) for name in ("he_normal", "he_uniform")},
    **{("init", name): ({}, [{"gain": 2.0}]) for name in ("xavier_normal", "xavier_uniform", "orthogonal")},
    ("init", "normal"): ({}, [{"mean": 0.1}, {"std": 0.1}]),
}  # fmt: skip

PARTS = sorted(TABLE)


def spec_with(slot: str, part: dict[str, Any], dims: int = 2) -> unetgen.Spec:
    """The base with one part put into its slot."""
    inside = {
        "align": {"skip": {"align": part}}, "fusion": {"skip": {"fusion": part}},
        "norm": {"block": {"padding": "zeros", "norm": part}}, "dropout": {"block": {"padding": "zeros", "dropout": part}},
        "activation": {"block": {"padding": "zeros", "activation": part}},
        "block": {"block": {"padding": "zeros", **part}},
    }  # fmt: skip
    return unetgen.load_spec({**BASE, **inside.get(slot, {slot: part}), "dims": dims})


def graph_with(slot: str, part: dict[str, Any], dims: int = 2) -> Graph:
    return unetgen.graph_of(spec_with(slot, part, dims))


def test_every_registered_part_has_a_row() -> None:
    registry = unetgen.load_registry()
    assert sorted((slot, name) for slot in SLOTS for name in registry.names(slot)) == PARTS


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_every_option_is_in_the_table(slot: str, name: str) -> None:
    part = unetgen.load_registry().find(slot, name).part
    first, changes = TABLE[slot, name]
    assert set(part.model_fields) == {option for overlay in changes for option in overlay}
    assert set(first) <= set(part.model_fields)


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_every_option_changes_the_network(slot: str, name: str) -> None:
    """Demand A46: no key is accepted and then ignored. Inits change weights, all else changes the graph."""
    first, changes = TABLE[slot, name]
    base = {"type": name, **first}
    seen = {fingerprint(slot, base)}
    for change in changes:
        print_ = fingerprint(slot, {**base, **change})
        assert print_ not in seen, f"{change} changes nothing"
        seen.add(print_)


def fingerprint(slot: str, part: dict[str, Any]) -> str:
    spec = spec_with(slot, part)
    graph = unetgen.graph_of(spec)
    if slot != "init":
        return graph.digest
    return "\n".join(f"{key} {spec.init.rule(parameter)}" for key, parameter in graph.parameters.items())


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_every_part_runs_as_predicted(slot: str, name: str, dims: int) -> None:
    first = dict(TABLE[slot, name][0])
    if (first.get("mode"), dims) == ("cubic", 2):
        first["mode"] = "linear"
    model = unetgen.build(spec_with(slot, {"type": name, **first}, dims), seed=0)
    size = next(n for fit in model.graph.fits[:1] if (n := fit.above(7)))
    image = torch.randn(2, 2, *(size,) * dims)
    output = model(image)
    assert output.shape == (2, 2, *model.graph.output_size((size,) * dims))
    output.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_shared_options_of_every_top_key_change_the_hash() -> None:
    base = unetgen.load_spec({**BASE, "input_size": [8, 8]})
    changed = {
        "dims": 1, "in_channels": 3, "out_channels": 3, "input_size": [12, 12], "widths": [4, 6], "block": "residual",
        "downsample": "conv", "upsample": "interpolate", "skip": "none", "encoder": {"block": {"repeats": 1}},
        "bottleneck": {"block": {"repeats": 1}}, "decoder": {"widths": [5]}, "levels": {0: {"block": {"repeats": 1}}},
        "head": {"kernel_size": 3}, "init": "normal",
    }  # fmt: skip
    hashes = {base.hash}
    for key, value in changed.items():
        more = {"input_size": [8]} if key == "dims" else {}
        hashes.add(unetgen.load_spec({**BASE, "input_size": [8, 8], key: value, **more}).hash)
    assert len(hashes) == len(changed) + 1


# Layer rules that torch enforces only when a layer is made, or run


def test_reflect_padding_goes_with_transposed_convolutions() -> None:
    """Torch pads those with zeros only; a block's padding mode is not handed to them."""
    model = unetgen.build({**BASE, "block": {"padding": "reflect"}})
    assert model.decoder.get_submodule("0.up").padding_mode == "zeros"
    assert model.encoder.get_submodule("0.conv1").padding_mode == "reflect"


def test_linear_is_named_for_its_dimensions() -> None:
    up = {"type": "interpolate", "mode": "linear"}
    modes = {
        d: unetgen.build({**BASE, "dims": d, "upsample": up}).get_submodule("decoder.0.up.resize").mode
        for d in (1, 2, 3)
    }
    assert modes == {1: "linear", 2: "bilinear", 3: "trilinear"}


def test_pixel_shuffle_is_torchs_in_two_dimensions() -> None:
    from unetgen.network.layers import PixelShuffle

    x = torch.randn(2, 8, 3, 5)
    assert torch.equal(PixelShuffle((2, 2))(x), nn.PixelShuffle(2)(x))


def test_layer_norm_is_over_the_channels_of_each_pixel() -> None:
    from unetgen.network.layers import ChannelLayerNorm

    y = ChannelLayerNorm(6)(torch.randn(2, 6, 3, 4, 5))
    assert torch.allclose(y.mean(1), torch.zeros(()), atol=1e-5)
    assert torch.allclose(y.var(1, unbiased=False), torch.ones(()), atol=1e-3)


def test_residual_adds_its_input_and_activates_behind_the_sum() -> None:
    block = {"type": "residual", "padding": "zeros", "norm": "batch"}
    graph = unetgen.graph_of({**BASE, "block": block})
    names = [n.path.removeprefix("encoder.0.") for n in graph.nodes if n.path.startswith("encoder.0.")]
    assert names == [
        "conv1",
        "norm1",
        "activation1",
        "conv2",
        "norm2",
        "shortcut",
        "shortcut_norm",
        "add",
        "activation2",
        "down",
    ]


def test_preactivated_residual_ends_in_its_sum() -> None:
    block = {"type": "residual", "padding": "zeros", "norm": "batch", "order": ["norm", "activation", "conv"]}
    graph = unetgen.graph_of({**BASE, "block": block})
    names = [n.path.removeprefix("encoder.0.") for n in graph.nodes if n.path.startswith("encoder.0.")]
    assert names == ["norm1", "activation1", "conv1", "norm2", "activation2", "conv2", "shortcut", "add", "down"]


def test_a_layer_applied_twice_is_counted_once_and_shared() -> None:
    from unetgen.graph.builder import Builder
    from unetgen.graph.cost import params, total_cost
    from unetgen.network.from_graph import network

    g = Builder(2, 4)
    with g.scope("block", label="Recurrent"):
        x = g.conv(g.input, 4, 3, name="conv", padding="zeros")
        x = g.conv(x, 4, 3, name="again", padding="zeros", layer="conv")
    with g.scope("tail", label="Tail"):
        x = g.conv(x, 2, 1, name="conv")
    graph = g.graph(x)
    model = network(unetgen.load_spec("unet_1d"), graph)
    assert params(graph) == sum(p.numel() for p in model.parameters()) == (4 * 4 * 9 + 4) + (4 * 2 + 2)
    assert list(model.state_dict()) == ["block.conv.weight", "block.conv.bias", "tail.conv.weight", "tail.conv.bias"]
    assert total_cost(graph, graph.sizes((5, 5))).macs == 25 * (2 * 4 * 4 * 9 + 4 * 2)
    image = torch.randn(1, 4, 5, 5)
    conv = model.get_submodule("block.conv")
    assert torch.equal(model(image), model.get_submodule("tail.conv")(conv(conv(image))))
