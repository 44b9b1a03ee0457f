"""List invalid specs, each with its complete error message."""

from __future__ import annotations

from typing import Any

ALL = "in the encoder at level 0 and in the bottleneck and in the decoder at level 0"
NEXT: dict[str, Any] = {"downsample": "next_block"}
BY_3: dict[str, Any] = {
    "downsample": {"type": "next_block", "factor": 3},
    "upsample": {"type": "transposed_conv", "kernel_size": 3, "stride": 3},
}

SENTENCES: list[tuple[dict[str, Any], str]] = [
    # Layers that MONAI's blocks do not support
    (
        {"block": {"type": "monai_unet_basic", "norm": "layer"}},
        f"block.norm: {ALL}: monai_unet_basic does not support norm 'layer'; use one of none, batch, instance, group",
    ),
    (
        {"block": {"type": "monai_two_conv", "activation": "hardswish"}},
        f"block.activation: {ALL}: monai_two_conv does not support activation 'hardswish'; use one of none, relu, leaky_relu, "
        "prelu, relu6, elu, selu, celu, gelu, silu, mish, sigmoid, tanh",
    ),
    (
        {"block": {"type": "monai_unet_res", "dropout": {"type": "channel", "rate": 0.1, "place": "every"}}},
        f"block.dropout: {ALL}: monai_unet_res does not support dropout 'channel'; use one of none, element, alpha",
    ),
    (
        {"block": {"type": "monai_convolution", "dropout": {"type": "path", "rate": 0.1}}},
        f"block.dropout: {ALL}: monai_convolution does not support dropout 'path'; use one of none, element, alpha, channel",
    ),
    (
        {"block": {"type": "monai_convolution", "dropout": {"type": "channel", "rate": 0.1}}, "dims": 1},
        f"block.dropout: {ALL}: MONAI has channel dropout in 2-D and 3-D only; use element or alpha",
    ),
    (
        {"block": {"type": "monai_two_conv", "norm": {"type": "group", "groups": 3}}, "widths": [4, 4]},
        f"block.norm.groups: {ALL}: 3 does not divide 4 channels; use one of 1, 2, 4",
    ),
    (
        {"block": {"type": "monai_two_conv", "norm": {"type": "group", "group_size": 3}}, "widths": [4, 4]},
        f"block.norm.group_size: {ALL}: 3 does not divide 4 channels; use one of 1, 2, 4",
    ),
    (
        {"block": {"type": "monai_unet_basic", "dropout": 0.1}},
        "block.dropout: MONAI's block has a dropout after every convolution, not only the last; "
        "write {type: element, rate: 0.1, place: every} with your rate",
    ),
    # Options without effect
    (
        {"block": {"type": "monai_convolution", "dropout": {"type": "element", "rate": 0.1, "place": "every"}}},
        "block.dropout.place: 'place' has no effect: the block has one convolution only; delete 'place'",
    ),
    (
        {"block": {"type": "monai_residual_unit", "adn_ordering": "NAD"}},
        "block.adn_ordering: 'adn_ordering' has no effect: it is the default order of the layers that are not 'none'; delete 'adn_ordering'",
    ),
    (
        {"block": {"type": "monai_residual_unit", "subunits": 1, "last_conv_only": True, "norm": "batch"}},
        "block.norm: 'norm' has no effect: the only convolution has no further layers; delete 'norm'",
    ),
    (
        {"block": {"type": "monai_convolution", "kernel_size": [1, 3], "dilation": [2, 1]}},
        "block.dilation: 'dilation' has no effect: a kernel of 1 cannot be dilated; delete 'dilation'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "interp_mode": "nearest"}},
        "upsample.interp_mode: 'interp_mode' has no effect: mode deconv does not use it; delete 'interp_mode'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "align_corners": False}},
        "upsample.align_corners: 'align_corners' has no effect: mode pixelshuffle does not use it; delete 'align_corners'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "kernel_size": 3}},
        "upsample.kernel_size: 'kernel_size' has no effect: mode nontrainable does not use it; delete 'kernel_size'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "interp_mode": "nearest", "align_corners": False}},
        "upsample.align_corners: 'align_corners' has no effect: nearest does not interpolate; delete 'align_corners'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "channels": "keep", "bias": False}},
        "upsample.bias: 'bias' has no effect: there is no convolution if the channels do not change; delete 'bias'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "pre_conv": "none", "channels": 4}},
        "upsample.channels: 'channels' has no effect: the upsampling has no convolution; delete 'channels'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "channels": "keep", "pre_conv": "none"}},
        "upsample.channels: 'channels' has no effect: the upsampling has no convolution; delete 'channels'",
    ),
    # Sizes
    (
        {"block": {"type": "monai_unet_basic", "kernel_size": [3, 4]}},
        "block.kernel_size: kernel 4 would change the size with MONAI's padding; use an odd kernel",
    ),
    (
        {"block": {"type": "monai_residual_unit", "kernel_size": 2}},
        "block.kernel_size: kernel 2 with dilation 1 would change the size with MONAI's padding; "
        "use an odd kernel",
    ),
    (
        {"upsample": {"type": "monai_convolution", "kernel_size": 4}},
        "upsample.kernel_size: kernel 4 would change the size with MONAI's padding; use an odd kernel",
    ),
    (
        {"block": {"type": "monai_mednext", "kernel_size": 4}},
        "block.kernel_size: kernel 4 would change the size with MONAI's padding; use an odd kernel",
    ),
    (
        {"block": {"type": "monai_unet_basic", "kernel_size": 1}, **BY_3},
        "block.kernel_size: in the bottleneck: 1 is too small for a stride of 3; "
        "use at least 3",
    ),
    (
        {"block": "monai_unet_res", **BY_3},
        "block: in the bottleneck: the shortcut of MONAI's residual block has a stride of at most 2, not 3; "
        "use a smaller factor, or monai_unet_basic",
    ),
    (
        {"block": {"type": "monai_residual_unit", "dilation": 2}, **NEXT},
        "block.dilation: in the bottleneck: must be 1 if the resolution changes, because MONAI's strided "
        "shortcut is not dilated; use 1",
    ),
    (
        {"block": "monai_two_conv", **NEXT},
        "block: in the bottleneck: block 'monai_two_conv' cannot change the resolution; "
        "use downsample: conv or max_pool",
    ),
    (
        {"block": {"type": "monai_mednext"}, **BY_3},
        "block.type: in the bottleneck: MONAI's MedNeXt has a stride of 2 on every axis; use a factor of 2, or another block",
    ),
    (
        {"upsample": {"type": "monai_upsample", "kernel_size": 2, "scale_factor": [1, 2]}},
        "upsample.kernel_size: in the decoder at level 0: kernel 2 would change the size on an axis with scale factor 1; "
        "use an odd kernel on that axis",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "scale_factor": [1, 2]}},
        "upsample.scale_factor: MONAI's pixel shuffle has one factor for all axes; "
        "set one number, or use mode: deconv",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "scale_factor": 1}},
        "upsample.scale_factor: must be larger than 1; use mode: deconv",
    ),
    # Channels and dimensions
    (
        {"block": {"type": "monai_convolution", "groups": 3}, "in_channels": 4, "widths": [4, 4], "skip": "none"},
        f"block.groups: {ALL}: 3 does not divide 4 channels; use one of 1, 2, 4",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "deconvgroup", "channels": 3}},
        "upsample.mode: in the decoder at level 0: 3 output channels do not divide 8 input "
        "channels; use deconv, or channels that divide",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "pre_conv": "none", "scale_factor": 3}},
        "upsample.pre_conv: in the decoder at level 0: a pixel shuffle without convolution needs a multiple of 9 channels, not 8; "
        "use 'default'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "interp_mode": "bicubic"}, "dims": 3},
        "upsample.interp_mode: in the decoder at level 0: torch has no bicubic interpolation in 3-D; use 'linear'",
    ),
    (
        {"block": {"type": "residual", "padding": "zeros", "attention": {"type": "monai_se", "r": 8}}, "widths": [4, 4]},
        f"block.attention.r: {ALL}: 8 is larger than the 4 channels; use at most 4",
    ),
    (
        {"block": "monai_mednext", "dims": 1},
        f"block: {ALL}: MONAI has MedNeXt in 2-D and 3-D only; use another part, or dims: 2",
    ),
    (
        {"upsample": "monai_mednext", "dims": 1},
        "upsample: in the decoder at level 0: MONAI has MedNeXt in 2-D and 3-D only; use another part, or dims: 2",
    ),
]  # fmt: skip
