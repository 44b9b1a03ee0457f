"""Every registered part: it is built and run, and each of its options changes the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import unetgen
from support.part_options import CONV, PART_OPTIONS, SURROUNDING_SPECS
from unetgen.analysis.cost import count_parameters, total_cost
from unetgen.config.registry.slots import SLOTS
from unetgen.network.unet import UNet, flatten_outputs

pytestmark = pytest.mark.usefixtures("single_torch_thread")

BASE: dict[str, Any] = {
    "schema_version": 1,
    "in_channels": 2,
    "out_channels": 2,
    "widths": [4, 8],
    "block": {"padding": "zeros"},
    "skip": {"align": "crop"},
}


# Options that a part rejects; test_messages has the sentences.
REFUSED = {("head", "deep_supervision"): {"level"}}

# Options with which no input size fits; the graph is built, with advice for the author of the spec.
NO_SIZE = {
    ("encoder", "resnet"): [{"output_stride": 16}],
    ("gate", "additive"): [{"factor": 4}],
}

PARTS = sorted(PART_OPTIONS)


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
    frame = SURROUNDING_SPECS.get((slot, part["type"]), SURROUNDING_SPECS.get((slot, ""), {}))
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
    first, changes = PART_OPTIONS[slot, name]
    changed_options = {option for overlay in changes for option in overlay}
    assert fields(slot, name) - REFUSED.get((slot, name), set()) == changed_options
    assert set(first) <= fields(slot, name)


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_every_option_changes_the_network(slot: str, name: str) -> None:
    """Demand A46: no key is accepted and then ignored. Inits change weights, all else changes the graph."""
    first, changes = PART_OPTIONS[slot, name]
    base = {"type": name, **first}
    digests = {fingerprint(slot, base)}
    for change in changes:
        digest = fingerprint(slot, {**base, **change})
        assert digest not in digests, f"{change} changes nothing"
        digests.add(digest)


def fingerprint(slot: str, part: dict[str, Any]) -> str:
    spec = spec_with(slot, part)
    graph = unetgen.graph_of(spec)
    if slot != "init":
        return graph.digest
    return "\n".join(f"{key} {spec.init.rule(parameter)}" for key, parameter in graph.parameters.items())


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_every_part_runs_as_predicted(slot: str, name: str, dims: int) -> None:
    first = dict(PART_OPTIONS[slot, name][0])
    if (first.get("mode"), dims) == ("cubic", 2):
        first["mode"] = "linear"
    check_run(unetgen.build(spec_with(slot, {"type": name, **first}, dims), seed=0))


@pytest.mark.parametrize(("slot", "name"), [part for part in PARTS if part[0] not in ("encoder", "init")])
def test_every_option_runs_as_predicted(slot: str, name: str) -> None:
    first, changes = PART_OPTIONS[slot, name]
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


# Layer rules that torch enforces only when a layer is created or run


def test_reflect_padding_goes_with_transposed_convolutions() -> None:
    """Torch pads those with zeros only; a block's padding mode is not passed to them."""
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
