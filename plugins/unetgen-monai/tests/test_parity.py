"""Compare networks of MONAI's blocks with MONAI's networks and with those of unetgen's own blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from comparison import STRIDES, WIDTHS, check_equal, example, with_random_weights
from monai.networks import nets
from torch import nn

import unetgen
from unetgen.analysis.cost import count_parameters, total_cost
from unetgen.config.registry.registry import Registry

DOUBLING = [4, 8, 16, 32, 64]
BASIC = [4, 4, 8, 16, 32]


def dynunet(dims: int = 2, **more: Any) -> nn.Module:
    options = {"kernel_size": (3,) * 5, "strides": (1, *STRIDES), "upsample_kernel_size": STRIDES, "filters": WIDTHS}
    return nets.DynUNet(dims, 1, 2, **{**options, **more})


def monai_unet(dims: int, units: int) -> nn.Module:
    return nets.UNet(dims, 1, 2, DOUBLING, STRIDES, num_res_units=units)


def basic_unet(upsample: str) -> nn.Module:
    return nets.BasicUNet(2, features=(*BASIC, BASIC[0]), upsample=upsample)


class Pair(NamedTuple):
    """An example, its overrides, the widths of both networks, MONAI's network, and an image size."""

    example: str
    overrides: dict[str, Any]
    widths: dict[str, list[int]]
    reference: Callable[[], nn.Module]
    size: tuple[int, ...]


PLAIN: dict[str, Any] = {"block": "monai_unet_basic"}
IN_3D: dict[str, Any] = {"dims": 3, "input_size": None}
CONVOLUTIONS: dict[str, Any] = {
    "downsample.block": "monai_convolution",
    "bottleneck.block.blocks": ["monai_convolution"],
    "decoder.block": "none",
    "levels": {0: {"decoder": {"block": "none", "upsample": {"norm": "none", "activation": "none"}}}},
}
LAYERS: dict[str, Any] = {
    "norm": "batch",
    "activation": "prelu",
    "dropout": {"type": "element", "rate": 0.1, "place": "every"},
}

ODD, EVEN, CUBE = (51, 70), (64, 96), (32, 32, 48)
UNET_WIDTHS = {"widths": [1, *DOUBLING[:4]], "bottleneck.block.widths": [64], "decoder.widths": [2, *DOUBLING[:3]]}

PAIRS = {
    "DynUNet": Pair("dynunet", PLAIN, {"widths": WIDTHS}, dynunet, EVEN),
    "DynUNet, residual": Pair("dynunet", {}, {"widths": WIDTHS}, lambda: dynunet(res_block=True), EVEN),
    "DynUNet 3-D": Pair("dynunet", {**PLAIN, **IN_3D}, {"widths": WIDTHS}, lambda: dynunet(3), CUBE),
    "DynUNet 3-D, residual": Pair("dynunet", IN_3D, {"widths": WIDTHS}, lambda: dynunet(3, res_block=True), CUBE),
    "DynUNet, other layers": Pair(
        "dynunet", {"block": LAYERS, "decoder.block": LAYERS}, {"widths": WIDTHS},
        lambda: dynunet(res_block=True, norm_name="batch", act_name="prelu", dropout=0.1), EVEN,
    ),
    "UNet": Pair("monai_unet", CONVOLUTIONS, UNET_WIDTHS, lambda: monai_unet(2, 0), EVEN),
    "UNet, residual": Pair("monai_unet", {}, UNET_WIDTHS, lambda: monai_unet(2, 2), EVEN),
    "UNet 3-D, residual": Pair("monai_unet", IN_3D, UNET_WIDTHS, lambda: monai_unet(3, 2), CUBE),
    "BasicUNet": Pair("basic_unet", {}, {"widths": BASIC}, lambda: basic_unet("deconv"), ODD),
    "BasicUNet, nontrainable": Pair(
        "basic_unet", {"upsample.mode": "nontrainable"}, {"widths": BASIC}, lambda: basic_unet("nontrainable"), ODD
    ),
    "BasicUNet, pixelshuffle": Pair(
        "basic_unet", {"upsample.mode": "pixelshuffle"}, {"widths": BASIC}, lambda: basic_unet("pixelshuffle"), ODD
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_networks_equal_monais(registry: Registry, name: str) -> None:
    pair = PAIRS[name]
    torch.manual_seed(0)
    theirs = with_random_weights(pair.reference())
    ours = unetgen.build(example(pair.example), registry=registry, **pair.overrides, **pair.widths).double().eval()
    report = unetgen.import_weights(ours, theirs.state_dict())
    assert not report.missing
    assert not report.unmatched_source
    check_equal(ours, theirs, pair.size)


# The parameter counts of MONAI's networks.
COUNTS = {
    "DynUNet": 7_762_018,
    "DynUNet, residual": 7_938_114,
    "UNet": 660_282,
    "UNet, residual": 1_625_161,
    "UNet 3-D, residual": 4_806_481,
    "BasicUNet": 1_978_466,
    "BasicUNet, nontrainable": 1_845_314,
    "BasicUNet, pixelshuffle": 3_388_258,
}


@pytest.mark.parametrize("name", COUNTS)
def test_known_parameter_counts(registry: Registry, name: str) -> None:
    graph = unetgen.graph_of(example(PAIRS[name].example), registry=registry, **PAIRS[name].overrides)
    assert count_parameters(graph) == COUNTS[name]


# The shipped specs of the same networks, with unetgen's own parts.
SHIPPED = {
    "dynunet": "DynUNet",
    "dynunet_residual": "DynUNet, residual",
    "monai_unet": "UNet",
    "monai_unet_residual": "UNet, residual",
    "monai_unet_residual_3d": "UNet 3-D, residual",
    "monai_basic_unet": "BasicUNet",
    "monai_basic_unet_nontrainable": "BasicUNet, nontrainable",
    "monai_basic_unet_pixelshuffle": "BasicUNet, pixelshuffle",
}


@pytest.mark.parametrize(("shipped", "name"), SHIPPED.items())
def test_networks_equal_those_of_unetgens_parts(registry: Registry, shipped: str, name: str) -> None:
    pair = PAIRS[name]
    spec = unetgen.load_spec(example(pair.example), registry=registry, **pair.overrides, **pair.widths)
    with_monai = unetgen.build(spec, seed=1).double().eval()
    with_own_parts = unetgen.build(shipped, **pair.widths).double().eval()
    unetgen.import_weights(with_own_parts, with_monai.state_dict())
    check_equal(with_monai, with_own_parts, pair.size)
    costs = [total_cost(model.graph, model.graph.sizes(pair.size)) for model in (with_monai, with_own_parts)]
    assert costs[0] == costs[1]
    assert with_monai.graph.fits == with_own_parts.graph.fits
