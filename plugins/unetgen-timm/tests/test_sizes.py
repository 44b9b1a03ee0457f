"""Test that the graph's channels and sizes equal those of timm's networks, family by family."""

from __future__ import annotations

import random
from typing import Any

import pytest
import timm
import torch
import unetgen
from unetgen.config.registry.registry import Registry
from unetgen.graph.external.module_op import SelectOutput
from unetgen.graph.graph import Graph, NodeSizeError

from specs import spec

# The level of the first feature, and the number of which sizes are multiples.
FAMILIES = {
    "resnet18": (1, 1),
    "seresnext26t_32x4d": (1, 1),
    "efficientnet_b1_pruned": (1, 1),
    "mobilenetv3_small_050": (1, 1),
    "convnext_atto": (2, 1),
    "regnety_002": (1, 1),
    "densenet121": (1, 1),
    "inception_v3": (1, 1),
    "caformer_s18": (2, 1),
    "pvt_v2_b0": (2, 1),
    "edgenext_xx_small": (2, 1),
    "fastvit_t8": (2, 1),
    "repvit_m0_9": (2, 1),
    "mambaout_femto": (2, 1),
    "swin_tiny_patch4_window7_224": (2, 4),
    "tresnet_m": (2, 4),
    "hrnet_w18_small": (1, 32),
    "dla34": (1, 32),
    "vgg11": (0, 1),
    "shvit_s1": (4, 1),
}

# Depths of backbones whose coarsest feature does not have stride 32.
DEPTHS = {"shvit_s1": 6, "efficientvit_m0": 6, "nest_tiny": 4}

FIXED = ["coatnet_nano_rw_224", "maxvit_nano_rw_256", "efficientformer_l1", "efficientvit_m0", "nest_tiny"]


def graph_of(registry: Registry, name: str, levels: int = 5, **more: Any) -> Graph:
    return unetgen.graph_of(spec(name, levels), registry=registry, **more)


def predicted_shapes(graph: Graph, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """(channels, height, width) of each feature according to the graph."""
    sizes = graph.sizes(size)
    return [(n.channels, *sizes[n.index]) for n in graph.nodes if isinstance(n.op, SelectOutput)]


def actual_shapes(network: torch.nn.Module, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return (channels, height, width) of each feature of timm's network."""
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, *size, device="meta"))
    is_channels_last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
    return [tuple((m.permute(0, 3, 1, 2) if is_channels_last else m).shape[1:]) for m in maps]


def build_with_timm(name: str, **more: Any) -> torch.nn.Module:
    """Build timm's network on the meta device."""
    if name.startswith("swin"):
        more = {"strict_img_size": False}
    device = "cpu" if name.startswith("regnet") else "meta"
    with torch.device(device):
        return timm.create_model(name, features_only=True, **more).to("meta").eval()


# One of each kind; the others are for the slow tier.
IN_LINE = {
    "resnet18", "convnext_atto", "densenet121", "caformer_s18", "swin_tiny_patch4_window7_224", "hrnet_w18_small",
    "vgg11", "shvit_s1",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [name if name in IN_LINE else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_shapes_are_those_of_timm(registry: Registry, name: str) -> None:
    """Compare at the smallest size and at two random ones; smaller sizes are rejected."""
    first, multiple = FAMILIES[name]
    depth = DEPTHS.get(name, 5)
    graph, network = graph_of(registry, name, depth), build_with_timm(name)
    (fit,) = set(graph.fits)
    assert str(fit).startswith(f"n = 0 (mod {multiple})" if multiple > 1 else "any n >= ")
    rng = random.Random(name)
    smallest = fit.smallest or 0
    random_sizes = [tuple(smallest + multiple * rng.randint(0, 160 // multiple) for _ in "hw") for _ in range(2)]
    for size in [(smallest, smallest), *random_sizes]:
        assert predicted_shapes(graph, size) == actual_shapes(network, size)
    assert len(predicted_shapes(graph, (smallest, smallest))) == depth - first + 1
    with pytest.raises(NodeSizeError):
        graph.sizes((smallest, smallest - multiple))


@pytest.mark.parametrize("name", [*FIXED[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in FIXED[2:])])
def test_backbones_of_one_size_are_built_for_the_size_of_the_spec(registry: Registry, name: str) -> None:
    size = (256, 256) if name.endswith("256") else (224, 224)
    graph = graph_of(registry, name, DEPTHS.get(name, 5), input_size=[*size])
    assert [str(fit) for fit in graph.fits] == [f"n = {size[0]}"] * 2
    assert predicted_shapes(graph, size) == actual_shapes(build_with_timm(name), size)


def test_one_size_need_not_be_square(registry: Registry) -> None:
    graph = graph_of(registry, "coatnet_nano_rw_224", input_size=[192, 256])
    assert [str(fit) for fit in graph.fits] == ["n = 192", "n = 256"]
    assert predicted_shapes(graph, (192, 256)) == actual_shapes(
        build_with_timm("coatnet_nano_rw_224", img_size=(192, 256)), (192, 256)
    )


@pytest.mark.parametrize("size", [(31, 31), (32, 31)])
def test_images_that_leave_no_pixel_are_rejected(registry: Registry, size: tuple[int, int]) -> None:
    graph = graph_of(registry, "convnext_atto")
    with pytest.raises(NodeSizeError):
        graph.sizes(size)
    assert predicted_shapes(graph, (32, 32))[-1] == (320, 1, 1)


@pytest.mark.parametrize(
    ("name", "stride"), [("resnet18", 16), ("resnet50", 8), ("efficientnet_b0", 16), ("convnext_atto", 16)]
)
def test_dilated_stages_keep_their_size(registry: Registry, name: str, stride: int) -> None:
    graph = graph_of(registry, name, **{"encoder.output_stride": stride})
    network = build_with_timm(name, output_stride=stride)
    for size in ((64, 64), (67, 96), (98, 77)):
        assert predicted_shapes(graph, size) == actual_shapes(network, size)
    assert predicted_shapes(graph, (64, 64))[-1][1:] == (64 // stride, 64 // stride)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_depth_builds_the_stages_that_it_needs(registry: Registry, depth: int) -> None:
    graph = unetgen.graph_of(spec("convnext_atto", depth), registry=registry, depth=depth)
    assert predicted_shapes(graph, (65, 64)) == actual_shapes(build_with_timm("convnext_atto"), (65, 64))[: depth - 1]


def test_levels_that_are_not_listed_return_the_image(registry: Registry) -> None:
    """Level 4 is then the mean of 16 x 16 pixels, or of the rest at the border."""
    graph = graph_of(registry, "resnet18", **{"encoder.levels": [5, 1, 2]})
    assert [n.channels for n in graph.nodes if isinstance(n.op, SelectOutput)] == [64, 64, 512]
    sizes = graph.sizes((65, 96))
    pooled = {n.path: (n.channels, *sizes[n.index]) for n in graph.nodes if n.op.kind == "avg_pool"}
    assert pooled == {"encoder.3.pool": (3, 9, 12), "encoder.4.pool": (3, 5, 6)}
    assert graph.skips[0] == 0
