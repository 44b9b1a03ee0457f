"""Every registered part: it is drawn, built and run, and each of its options changes the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import unetgen
from unetgen.analysis.cost import count_parameters, total_cost
from unetgen.config.registry.slots import SLOTS
from unetgen.network.unet import UNet
from unetgen.testing.forward_pass import flatten_outputs

pytestmark = pytest.mark.usefixtures("one_thread")

BASE: dict[str, Any] = {
    "schema_version": 1,
    "in_channels": 2,
    "out_channels": 2,
    "widths": [4, 8],
    "block": {"padding": "zeros"},
    "skip": {"align": "crop"},
}

CONV = {"type": "conv", "padding": "zeros"}
UNITS: list[dict[str, Any]] = [
    {"repeats": 3}, {"kernel_size": 5}, {"padding": "circular"}, {"dilation": 2}, {"groups": 2}, {"bias": False},
    {"order": ["norm", "activation", "conv"]}, {"norm": "batch"}, {"activation": "gelu"}, {"dropout": 0.1},
]  # fmt: skip

# For each part, overlays that each change one option of it, over a first one that names the part.
# A part without a row, or an option that no row changes, fails.
TABLE: dict[tuple[str, str], tuple[dict[str, Any], list[dict[str, Any]]]] = {
    ("encoder", "plain"): ({}, []),
    ("encoder", "resnet"): (
        {"layers": 18}, [{"layers": 34}, {"layers": 50}, {"output_stride": 16}, {"norm": "group"}, {"activation": "elu"}],
    ),
    ("decoder", "plain"): ({}, []),
    ("decoder", "nested"): ({}, [{"columns": 1}, {"inner_width": "encoder"}, {"skip_order": "newest_first"}]),
    ("decoder", "full_scale"): (
        {"branch_width": 4},
        [{"branch_width": 6}, {"branch": {"norm": "batch"}}, {"rounding": "floor"}, {"mode": "nearest"},
         {"align_corners": True}],
    ),
    ("block", "conv"): (
        {},
        [{"repeats": 3}, {"kernel_size": 5}, {"kernel_size": [3, 5]}, {"padding": "reflect"}, {"dilation": 2},
         {"groups": 2}, {"bias": False}, {"order": ["norm", "activation", "conv"]}, {"norm": "batch"},
         {"activation": "elu"}, {"dropout": 0.5}, {"mid_channels": "half_output"}, {"mid_channels": 6}],
    ),
    ("block", "residual"): (
        {},
        [{"repeats": 3}, {"kernel_size": 5}, {"padding": "circular"}, {"dilation": 2}, {"groups": 2}, {"bias": False},
         {"order": ["norm", "activation", "conv"]}, {"norm": "batch"}, {"activation": "gelu"}, {"dropout": 0.1},
         {"shortcut": {"when": "always"}}, {"attention": "se"}, {"last_activation": "both"},
         {"last_activation": "before_sum"}, {"order": ["norm", "activation", "conv"], "first": "conv"}],
    ),
    ("block", "none"): ({}, []),
    ("block", "norm_activation"): (
        {"norm": "batch"}, [{"norm": "layer"}, {"activation": "elu"}, {"order": ["activation", "norm"]}],
    ),
    ("block", "bottleneck"): (
        {},
        [{"reduction": 2}, {"mid_channels": 6}, {"kernel_size": 5}, {"padding": "reflect"}, {"dilation": 2},
         {"mid_channels": 4, "groups": 2}, {"bias": True}, {"norm": "none"}, {"activation": "elu"}, {"attention": "se"},
         {"shortcut": {"when": "always"}}],
    ),
    ("block", "recurrent"): (
        {}, [*UNITS, {"steps": 1}, {"shared": False}, {"projection": "always", "repeats": 1}],
    ),
    ("block", "recurrent_residual"): ({}, [*UNITS, {"steps": 1}, {"shared": False}, {"projection": "needed"}]),
    ("block", "dense"): ({}, [*UNITS, {"output": "new"}]),
    ("block", "multi_resolution"): (
        {},
        [{"alpha": 2.5}, {"kernel_size": 5}, {"padding": "reflect"}, {"bias": False}, {"norm": "none"},
         {"activation": "elu"}],
    ),
    ("block", "depthwise_separable"): (
        {},
        [{"repeats": 1}, {"kernel_size": 5}, {"padding": "reflect"}, {"bias": True}, {"norm": "none"},
         {"activation": "elu"}, {"between": True}],
    ),
    ("block", "convnext"): (
        {},
        [{"kernel_size": 5}, {"expansion": 2}, {"padding": "circular"}, {"bias": False}, {"norm": "batch"},
         {"activation": "relu"}, {"layer_scale": 0.5}, {"layer_scale": 0.0}, {"dropout": 0.1},
         {"dropout": {"type": "path", "rate": 0.1}}],
    ),
    ("block", "mednext"): (
        {},
        [{"kernel_size": 5}, {"expansion": 3}, {"padding": "circular"}, {"bias": False}, {"norm": "batch"},
         {"activation": "relu"}],
    ),
    ("block", "nafnet"): ({}, [{"expansion": 4}, {"norm": "batch"}, {"channel_attention": False}]),
    ("block", "aspp"): (
        {"rates": [1, 2]},
        [{"rates": [2, 3]}, {"pointwise": False}, {"pooled": False}, {"join": "sum"}, {"order": ["activation", "norm"]},
         {"order": ["norm"]}, {"project": "conv"}, {"bias": True}, {"norm": "none"}, {"activation": "elu"}],
    ),
    ("block", "pyramid_pooling"): (
        {"bins": [1, 2]},
        [{"bins": [2, 3]}, {"mode": "nearest"}, {"align_corners": True}, {"bias": True}, {"norm": "none"},
         {"activation": "elu"}],
    ),
    ("block", "unet"): (
        {"depth": 2, "mid_channels": 4},
        [{"depth": 1}, {"pooled": 1}, {"mid_channels": 3}, {"dilations": [1, 2, 2]}, {"residual": False},
         {"block": {"norm": "batch"}}, {"downsample": "avg_pool"}, {"upsample": "transposed_conv"}, {"align": "strict"},
         {"fusion": "add"}],
    ),
    ("block", "sequence"): (
        {"blocks": [CONV, {"type": "residual", "padding": "zeros"}]},
        [{"blocks": [CONV]}, {"widths": [6, 8]}, {"output": "all"}],
    ),
    ("block", "stack"): ({"count": 2, "block": CONV}, [{"count": 1}, {"block": "convnext"}]),
    ("block", "parallel"): (
        {"branches": [CONV, {**CONV, "kernel_size": 5}]}, [{"branches": [CONV, "none"]}, {"join": "sum"}],
    ),
    ("block", "attended"): (
        {"block": CONV, "attention": {"type": "se", "reduction": 2}},
        [{"block": {**CONV, "repeats": 1}}, {"attention": "eca"}, {"place": "before"}, {"place": "both"}],
    ),
    ("shortcut", "projection"): (
        {},
        [{"when": "always", "kernel_size": 3}, {"when": "always"}, {"bias": "no"}, {"normed": "never"},
         {"kernel_size": 3}, {"before": True}],
    ),
    ("shortcut", "pooled_projection"): ({}, [{"when": "always"}, {"bias": "no"}, {"normed": "never"}]),
    ("shortcut", "repeat"): ({}, []),
    ("attention", "none"): ({}, []),
    ("attention", "se"): ({}, [{"reduction": 2}, {"bias": False}, {"activation": "silu"}, {"hard": True}]),
    ("attention", "spatial_se"): ({}, [{"bias": False}]),
    ("attention", "scse"): ({}, [{"reduction": 2}, {"bias": False}, {"activation": "silu"}, {"join": "max"}]),
    ("attention", "cbam"): ({}, [{"reduction": 2}, {"bias": True}, {"activation": "silu"}, {"kernel_size": 3}]),
    ("attention", "eca"): ({}, [{"kernel_size": 5}]),
    ("downsample", "none"): ({}, []),
    ("downsample", "max_pool"): (
        {}, [{"kernel_size": 3}, {"stride": 1}, {"rounding": "floor"}, {"kernel_size": 3, "padding": 1}],
    ),
    ("downsample", "avg_pool"): (
        {}, [{"kernel_size": 3}, {"stride": 1}, {"rounding": "ceil"}, {"kernel_size": 3, "padding": 1}],
    ),
    ("downsample", "next_block"): ({}, [{"factor": 4}, {"rounding": "floor"}]),
    ("downsample", "block"): (
        {}, [{"channels": "keep"}, {"factor": 4}, {"rounding": "floor"}, {"block": {"repeats": 1}}],
    ),
    ("downsample", "transition"): ({}, [{"channels": "next"}, {"block": {"bias": False}}, {"downsample": "avg_pool"}]),
    ("downsample", "conv"): (
        {},
        [{"channels": "next"}, {"norm": "batch", "order": ["norm", "activation", "conv"]},
         {"kernel_size": 5}, {"stride": 1}, {"padding": "valid"}, {"rounding": "floor"}, {"bias": False},
         {"norm": "batch"}, {"activation": "relu"}],
    ),
    ("upsample", "none"): ({}, []),
    ("upsample", "transition"): (
        {}, [{"channels": "keep"}, {"place": "after"}, {"block": {"bias": False}}, {"upsample": "transposed_conv"}],
    ),
    ("upsample", "squeezed"): (
        {}, [{"reduction": 2}, {"bias": True}, {"norm": "none"}, {"activation": "elu"}, {"upsample": "interpolate"}],
    ),
    ("upsample", "mednext"): (
        {},
        [{"kernel_size": 5}, {"factor": 3}, {"expansion": 3}, {"bias": False}, {"norm": "batch"},
         {"activation": "relu"}],
    ),
    ("upsample", "transposed_conv"): (
        {},
        [{"norm": "batch", "order": ["norm", "activation", "dropout", "conv"]}, {"dropout": 0.1},
         {"channels": "half_width"}, {"channels": "half"}, {"channels": 5}, {"channels": "keep"}, {"kernel_size": 4}, {"stride": 3}, {"padding": 1}, {"output_padding": 1},
         {"bias": False}, {"norm": "batch"}, {"activation": "relu"}],
    ),
    ("upsample", "interpolate"): (
        {"mode": "linear", "kernel_size": 3},
        [{"channels": "keep"}, {"factor": 3}, {"mode": "cubic"}, {"align_corners": True}, {"projection": "before"}, {"kernel_size": 5},
         {"padding": "valid"}, {"bias": False}, {"norm": "batch"}, {"activation": "relu"}],
    ),
    ("upsample", "pixel_shuffle"): (
        {},
        [{"channels": "keep"}, {"factor": 3}, {"kernel_size": 5}, {"padding": "valid"}, {"bias": False},
         {"blur": True}],
    ),
    ("align", "strict"): ({}, []),
    ("align", "crop"): ({}, [{"operand": "upsampled"}, {"place": "start"}]),
    ("align", "pad"): ({}, [{"operand": "skip"}, {"mode": "replicate"}]),
    ("align", "resize"): ({"mode": "linear"}, [{"operand": "skip"}, {"mode": "nearest"}, {"align_corners": True}]),
    ("fusion", "concat"): ({}, [{"order": "upsampled_first"}]),
    ("fusion", "add"): ({}, []),
    ("fusion", "multiply"): ({}, []),
    ("fusion", "none"): ({}, []),
    ("fusion", "size_only"): ({}, []),
    ("gate", "none"): ({}, []),
    ("gate", "additive"): (
        {}, [{"channels": 3}, {"factor": 4}, {"bias": False}, {"norm": "none"}, {"activation": "sigmoid"}],
    ),
    ("transform", "none"): ({}, []),
    ("transform", "through"): (
        {"block": CONV},
        [{"channels": 6}, {"block": "convnext"}, {"attention": "se"}, {"activation": "elu"}, {"dropout": 0.1}],
    ),
    ("transform", "residual_path"): (
        {"steps": 2},
        [{"steps": 1}, {"channels": 3}, {"bias": False}, {"norm": "none"}, {"activation": "elu"},
         {"branch_activation": False}, {"norm_again": True}],
    ),
    ("transform", "attention_gate"): ({}, [{"inner_channels": 3}, {"bias": False}, {"norm": "none"}]),
    ("transform", "grid_attention_gate"): (
        {"block": CONV},
        [{"inner_channels": 3}, {"norm": "none"}, {"factor": 4}, {"mode": "nearest"}, {"align_corners": True},
         {"gating_channels": 3}, {"block": "convnext"}, {"combine": True}],
    ),
    ("norm", "none"): ({}, []),
    ("norm", "batch"): ({}, [{"eps": 1e-3}, {"momentum": 0.2}, {"affine": False}, {"track_running_stats": False}]),
    ("norm", "instance"): (
        {"track_running_stats": True},
        [{"eps": 1e-3}, {"momentum": 0.2}, {"affine": True}, {"track_running_stats": False}],
    ),
    ("norm", "group"): ({"groups": 2}, [{"groups": 4}, {"groups": "channels"}, {"eps": 1e-3}, {"affine": False},
                                            {"groups": 8, "few_channels": "one_group"}, {"groups": 8, "group_size": 2}]),
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
    **{("dropout", name): ({"rate": 0.5}, [{"rate": 0.1}, {"place": "every"}]) for name in ("element", "channel", "alpha", "path")},
    ("head", "none"): ({"out_channels": 4}, [{"level": "bottleneck", "out_channels": 8}]),
    ("head", "conv"): (
        {"kernel_size": 3, "block": CONV},
        [{"level": 1}, {"out_channels": 5}, {"kernel_size": 5}, {"padding": "zeros"}, {"bias": False},
         {"activation": "sigmoid"}, {"block": "convnext"}, {"block_channels": 3}, {"norm": "batch"},
         {"padding": "zeros", "global_residual": True}],
    ),
    ("head", "deep_supervision"): (
        {"resolution": "full", "fused": "first", "kernel_size": 3, "block": CONV},
        [{"out_channels": 5}, {"kernel_size": 5}, {"padding": "zeros"}, {"bias": False}, {"activation": "sigmoid"},
         {"block": "convnext"}, {"block_channels": 3}, {"norm": "batch"}, {"padding": "zeros", "global_residual": True},
         {"levels": [1, 0]}, {"levels": [0]}, {"resolution": "native", "fused": "none"}, {"mode": "nearest"},
         {"align_corners": True}, {"fused": "none"}, {"fused": "only"}, {"fused_bias": False}],
    ),
    ("head", "classification"): (
        {},
        [{"level": 0}, {"out_channels": 5}, {"pool": "max"}, {"dropout": 0.1}, {"bias": False},
         {"activation": "sigmoid"}],
    ),
    ("input", "none"): ({}, []),
    ("input", "pad"): ({}, [{"mode": "replicate"}, {"place": "both"}]),    ("init", "torch_default"): ({}, []),
    **{("init", name): (
        {"nonlinearity": "leaky_relu"}, [{"mode": "fan_out"}, {"nonlinearity": "linear"}, {"negative_slope": 0.1}],
    ) for name in ("he_normal", "he_uniform")},
    **{("init", name): ({}, [{"gain": 2.0}]) for name in ("xavier_normal", "xavier_uniform", "orthogonal")},
    ("init", "normal"): ({}, [{"mean": 0.1}, {"std": 0.1}]),
}  # fmt: skip

# What a part needs beside itself to have its say: other levels, other parts.
DEEPER = {"widths": [4, 4, 8]}
FRAMES: dict[tuple[str, str], dict[str, Any]] = {
    ("encoder", "resnet"): {
        "widths": None, "decoder": {"widths": [4, 4, 4, 4, 4]}, "bottleneck": {"block": "none"},
        "levels": {0: {"skip": "none"}},
    },
    ("decoder", "nested"): {**DEEPER, "decoder": {"widths": [2, 6]}},
    ("decoder", "full_scale"): {**DEEPER, "skip": None},
    ("head", "deep_supervision"): DEEPER,
    ("downsample", ""): {"skip": {"align": "resize"}},
    ("upsample", ""): {"skip": {"align": "resize"}, "widths": [4, 6]},
    **{("block", name): {"widths": [2, 8]} for name in ("residual", "bottleneck", "recurrent_residual")},
    **{("shortcut", name): {"widths": [2, 8], "downsample": "next_block"} for name in ("projection", "pooled_projection")},
    ("shortcut", "repeat"): {"widths": [2, 8], "skip": {"fusion": "add"}},
}  # fmt: skip

# Options that a part has and that it refuses, each with a sentence in test_messages.
REFUSED = {("head", "deep_supervision"): {"level"}}

# What no input size fits; it is drawn, and the spec's author is told so.
NO_SIZE = {
    ("encoder", "resnet"): [{"output_stride": 16}],
    ("gate", "additive"): [{"factor": 4}],
}

PARTS = sorted(TABLE)


def spec_with(slot: str, part: dict[str, Any], dims: int = 2) -> unetgen.Spec:
    """The base with one part put into its slot."""
    inside = {
        **{name: {"skip": {name: part}} for name in ("align", "gate", "transform", "fusion")},
        **{name: {"block": {"padding": "zeros", name: part}} for name in ("norm", "dropout", "activation")},
        "block": {"block": {**({"padding": "zeros"} if "padding" in fields(slot, part["type"]) else {}), **part}},
        "shortcut": {"block": {"type": "residual", "padding": "zeros", "norm": "batch", "shortcut": part}},
        "attention": {"block": {"type": "attended", "block": CONV, "attention": part}},
        "head": {"heads": {"main": "conv", "part": part}},
    }  # fmt: skip
    frame = FRAMES.get((slot, part["type"]), FRAMES.get((slot, ""), {}))
    own = inside.get(slot, {slot: part})
    if slot in frame:
        own = {slot: {**frame[slot], **part}}
    data = {**BASE, **frame, **own, "dims": dims}
    return unetgen.load_spec({key: value for key, value in data.items() if value is not None})


def fields(slot: str, name: str) -> set[str]:
    """The options of a part."""
    return set(unetgen.load_registry().find(slot, name).part.model_fields)


def test_every_registered_part_has_a_row() -> None:
    registry = unetgen.load_registry()
    assert sorted((slot, name) for slot in SLOTS for name in registry.list_names(slot)) == PARTS


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_every_option_is_in_the_table(slot: str, name: str) -> None:
    first, changes = TABLE[slot, name]
    told = {option for overlay in changes for option in overlay}
    assert fields(slot, name) - REFUSED.get((slot, name), set()) == told
    assert set(first) <= fields(slot, name)


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
    check_run(unetgen.build(spec_with(slot, {"type": name, **first}, dims), seed=0))


@pytest.mark.parametrize(("slot", "name"), [part for part in PARTS if part[0] not in ("encoder", "init")])
def test_every_option_runs_as_predicted(slot: str, name: str) -> None:
    first, changes = TABLE[slot, name]
    for change in changes:
        model = unetgen.build(spec_with(slot, {"type": name, **first, **change}), seed=0)
        if change in NO_SIZE.get((slot, name), []):
            assert model.graph.fits[0].smallest is None
        else:
            check_run(model)


def check_run(model: UNet) -> None:
    """Shapes, parameters and multiply-adds are as predicted, and every parameter gets its gradient."""
    graph = model.graph
    size = (graph.fits[0].smallest_above(7),) * graph.dims
    sizes = graph.sizes(size)
    with FlopCounterMode(display=False) as counter:
        outputs = list(flatten_outputs(model(torch.randn(2, 2, *size))))
    for output, index in zip(outputs, graph.output_nodes, strict=True):
        node = graph.nodes[index]
        assert output.shape == (2, node.channels, *(() if node.op.has_no_spatial_axes else sizes[index]))
    assert counter.get_total_flops() == 2 * total_cost(graph, sizes).flops
    assert {key: tuple(p.shape) for key, p in model.named_parameters()} == {
        key: p.shape for key, p in graph.parameters.items()
    }
    assert sum(p.numel() for p in model.parameters()) == count_parameters(graph)
    sum(output.sum() for output in outputs).backward()
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
        *("conv1", "norm1", "activation1", "conv2", "norm2"),
        *("shortcut", "shortcut_norm", "add", "sum_activation", "down"),
    ]


def test_preactivated_residual_ends_in_its_sum() -> None:
    block = {"type": "residual", "padding": "zeros", "norm": "batch", "order": ["norm", "activation", "conv"]}
    graph = unetgen.graph_of({**BASE, "block": block})
    names = [n.path.removeprefix("encoder.0.") for n in graph.nodes if n.path.startswith("encoder.0.")]
    assert names == ["norm1", "activation1", "conv1", "norm2", "activation2", "conv2", "shortcut", "add", "down"]


def test_a_layer_applied_twice_is_counted_once_and_shared() -> None:
    from unetgen.analysis.cost import count_parameters, total_cost
    from unetgen.graph.builder import Builder
    from unetgen.network.unet import build_network

    g = Builder(2, 4)
    with g.scope("block", label="Recurrent"):
        x = g.conv(g.input, 4, 3, name="conv", padding="zeros")
        x = g.conv(x, 4, 3, name="again", padding="zeros", layer="conv")
    with g.scope("tail", label="Tail"):
        x = g.conv(x, 2, 1, name="conv")
    graph = g.to_graph(x)
    model = build_network(unetgen.load_spec("unet_1d"), graph)
    assert count_parameters(graph) == sum(p.numel() for p in model.parameters()) == (4 * 4 * 9 + 4) + (4 * 2 + 2)
    assert list(model.state_dict()) == ["block.conv.weight", "block.conv.bias", "tail.conv.weight", "tail.conv.bias"]
    assert total_cost(graph, graph.sizes((5, 5))).macs == 25 * (2 * 4 * 4 * 9 + 4 * 2)
    image = torch.randn(1, 4, 5, 5)
    conv = model.get_submodule("block.conv")
    assert torch.equal(model(image), model.get_submodule("tail.conv")(conv(conv(image))))
