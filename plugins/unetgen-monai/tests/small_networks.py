"""Build small networks with one part in its slot, and list the options of each part to test."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import unetgen
from unetgen.config.registry.registry import Registry
from unetgen.network.unet import UNet

Options = dict[str, Any]

BASE: Options = {
    "schema_version": 1,
    "in_channels": 2,
    "out_channels": 2,
    "widths": [4, 8],
    "block": {"padding": "zeros"},
    "skip": {"align": "strict"},
}

GROUPS = {"type": "group", "groups": 2}
EVERY_PLACE = {"type": "element", "rate": 0.5, "place": "every"}
LAYERS: list[Options] = [
    {"norm": "none"}, {"norm": "batch"}, {"norm": GROUPS}, {"activation": "none"}, {"activation": "gelu"},
    {"activation": {"type": "prelu", "slopes": "channel"}},
]  # fmt: skip
ORDERED: list[Options] = [
    {"bias": False}, {"adn_ordering": "AND"}, {"adn_ordering": "NAD", "dropout": {"type": "channel", "rate": 0.3}},
]  # fmt: skip

# The options to test for each part, each merged onto the part's defaults.
TABLE: dict[tuple[str, str], list[Options]] = {
    ("block", "monai_unet_basic"): [*LAYERS, {"dropout": EVERY_PLACE}, {"kernel_size": 5}, {"kernel_size": [1, 3]}],
    ("block", "monai_unet_res"): [*LAYERS, {"dropout": EVERY_PLACE}, {"kernel_size": 5}, {"kernel_size": [1, 3]}],
    ("block", "monai_convolution"): [
        *LAYERS, *ORDERED, {"dropout": 0.5}, {"kernel_size": 5}, {"dilation": 2}, {"groups": 2},
        {"kernel_size": 4, "dilation": 2},
    ],
    ("block", "monai_residual_unit"): [
        *LAYERS, {"bias": False}, {"adn_ordering": "AND"}, {"dropout": EVERY_PLACE}, {"kernel_size": [3, 5]}, {"subunits": 1},
        {"subunits": 3}, {"last_conv_only": True}, {"dropout": {**EVERY_PLACE, "type": "channel"}}, {"dilation": 2},
    ],
    ("block", "monai_two_conv"): [*LAYERS, {"dropout": EVERY_PLACE}, {"bias": False}],
    ("block", "monai_mednext"): [
        {"expansion_ratio": 2}, {"kernel_size": 3}, {"use_residual_connection": False}, {"global_resp_norm": True},
    ],
    ("upsample", "monai_upsample"): [
        {"channels": "keep"}, {"channels": 4, "mode": "deconvgroup"}, {"scale_factor": [1, 2]}, {"kernel_size": 3},
        {"bias": False}, {"mode": "nontrainable"}, {"mode": "nontrainable", "interp_mode": "nearest"},
        {"mode": "nontrainable", "interp_mode": "bicubic"}, {"mode": "nontrainable", "align_corners": False},
        {"mode": "nontrainable", "pre_conv": "none"}, {"mode": "pixelshuffle"},
        {"mode": "pixelshuffle", "apply_pad_pool": False}, {"mode": "pixelshuffle", "pre_conv": "none"},
        {"mode": "pixelshuffle", "bias": False},
    ],
    ("upsample", "monai_convolution"): [
        *LAYERS, *ORDERED, {"dropout": 0.5}, {"channels": "half_width"}, {"kernel_size": 5}, {"strides": [2, 1]},
    ],
    ("upsample", "monai_mednext"): [
        {"expansion_ratio": 2}, {"kernel_size": 3}, {"use_residual_connection": False}, {"global_resp_norm": True},
    ],
    ("attention", "monai_se"): [{"r": 4}, {"acti_type_1": "tanh"}, {"acti_type_2": "relu"}, {"add_residual": True}],
    ("transform", "monai_attention_gate"): [{"f_int": 3}],
}  # fmt: skip

PARTS = sorted(TABLE)


def spec_with(
    registry: Registry, slot: str, name: str, options: Options, dims: int = 2, pooled: bool = False
) -> unetgen.Spec:
    """Return the base with one part in its slot; blocks change the resolution if they can, unless ``pooled``."""
    part = {"type": name, **options}
    overlays = {
        "attention": {"block": {"type": "residual", "padding": "zeros", "attention": part}},
        "transform": {"skip": {"align": "strict", "transform": part}},
        "upsample": {"upsample": part},
        "block": {"block": part, "downsample": "max_pool" if pooled or name == "monai_two_conv" else "next_block"},
    }
    data: Options = {**BASE, **overlays[slot], "dims": dims}
    if slot == "upsample":
        data["skip"] = {"align": "resize"}  # other factors are tested too
    return unetgen.load_spec(data, registry=registry)


def build(registry: Registry, slot: str, name: str, options: Options, seed: int = 0, **more: Any) -> UNet:
    """Build the network of ``spec_with``."""
    return unetgen.build(spec_with(registry, slot, name, options, **more), seed=seed)


def image(model: UNet, batch: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a small image that fits, with different sizes along its axes."""
    size = [fit.smallest_above(7 + 2 * axis) or 0 for axis, fit in enumerate(model.graph.fits)]
    return torch.randn(batch, model.graph.in_channels, *size, generator=torch.Generator().manual_seed(0), dtype=dtype)
