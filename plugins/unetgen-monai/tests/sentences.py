"""What a spec may say that is refused, each with the whole sentence."""

from __future__ import annotations

from typing import Any

ALL = "in the encoder at level 0 and in the bottleneck and in the decoder at level 0"
NEXT: dict[str, Any] = {"downsample": "next_block"}
BY_3: dict[str, Any] = {
    "downsample": {"type": "next_block", "factor": 3},
    "upsample": {"type": "transposed_conv", "kernel_size": 3, "stride": 3},
}

SENTENCES: list[tuple[dict[str, Any], str]] = [
    # Layers that MONAI's blocks do not take
    (
        {"block": {"type": "monai_unet_basic", "norm": "layer"}},
        f"block.norm: {ALL}: monai_unet_basic takes no norm 'layer'; use one of none, batch, instance, group",
    ),
    (
        {"block": {"type": "monai_two_conv", "activation": "hardswish"}},
        f"block.activation: {ALL}: monai_two_conv takes no activation 'hardswish'; use one of none, relu, leaky_relu, "
        "prelu, relu6, elu, selu, celu, gelu, silu, mish, sigmoid, tanh",
    ),
    (
        {"block": {"type": "monai_unet_res", "dropout": {"type": "channel", "rate": 0.1, "place": "every"}}},
        f"block.dropout: {ALL}: monai_unet_res takes no dropout 'channel'; use one of none, element, alpha",
    ),
    (
        {"block": {"type": "monai_convolution", "dropout": {"type": "path", "rate": 0.1}}},
        f"block.dropout: {ALL}: monai_convolution takes no dropout 'path'; use one of none, element, alpha, channel",
    ),
    (
        {"block": {"type": "monai_convolution", "dropout": {"type": "channel", "rate": 0.1}}, "dims": 1},
        f"block.dropout: {ALL}: MONAI drops whole channels in 2-D and 3-D only; use element or alpha",
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
        "block.dropout: MONAI drops behind every convolution, not behind the last one alone; "
        "write {type: element, rate: 0.1, place: every} with your rate",
    ),
    # Options without effect
    (
        {"block": {"type": "monai_convolution", "dropout": {"type": "element", "rate": 0.1, "place": "every"}}},
        "block.dropout.place: 'place' has no effect: there is one place only; delete 'place'",
    ),
    (
        {"block": {"type": "monai_residual_unit", "adn_ordering": "NAD"}},
        "block.adn_ordering: 'adn_ordering' has no effect: what is not 'none' stands in this order anyway; delete 'adn_ordering'",
    ),
    (
        {"block": {"type": "monai_residual_unit", "subunits": 1, "last_conv_only": True, "norm": "batch"}},
        "block.norm: 'norm' has no effect: the only convolution stands alone; delete 'norm'",
    ),
    (
        {"block": {"type": "monai_convolution", "kernel_size": [1, 3], "dilation": [2, 1]}},
        "block.dilation: 'dilation' has no effect: a kernel of 1 has nothing to spread; delete 'dilation'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "interp_mode": "nearest"}},
        "upsample.interp_mode: 'interp_mode' has no effect: deconv has no use for it; delete 'interp_mode'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "align_corners": False}},
        "upsample.align_corners: 'align_corners' has no effect: pixelshuffle has no use for it; delete 'align_corners'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "kernel_size": 3}},
        "upsample.kernel_size: 'kernel_size' has no effect: nontrainable has no use for it; delete 'kernel_size'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "interp_mode": "nearest", "align_corners": False}},
        "upsample.align_corners: 'align_corners' has no effect: nearest takes whole pixels; delete 'align_corners'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "channels": "keep", "bias": False}},
        "upsample.bias: 'bias' has no effect: nothing is convolved where channels stay; delete 'bias'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "pre_conv": "none", "channels": 4}},
        "upsample.channels: 'channels' has no effect: there is no convolution; delete 'channels'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "channels": "keep", "pre_conv": "none"}},
        "upsample.channels: 'channels' has no effect: there is no convolution; delete 'channels'",
    ),
    # Sizes
    (
        {"block": {"type": "monai_unet_basic", "kernel_size": [3, 4]}},
        "block.kernel_size: MONAI has no padding that keeps the size under a kernel of 4; use an odd kernel",
    ),
    (
        {"block": {"type": "monai_residual_unit", "kernel_size": 2}},
        "block.kernel_size: MONAI has no padding that keeps the size under a kernel of 2 with a dilation of 1; "
        "use an odd kernel",
    ),
    (
        {"upsample": {"type": "monai_convolution", "kernel_size": 4}},
        "upsample.kernel_size: MONAI has no padding that keeps the size under a kernel of 4; use an odd kernel",
    ),
    (
        {"block": {"type": "monai_mednext", "kernel_size": 4}},
        "block.kernel_size: MONAI has no padding that keeps the size under a kernel of 4; use an odd kernel",
    ),
    (
        {"block": {"type": "monai_unet_basic", "kernel_size": 1}, **BY_3},
        "block.kernel_size: in the bottleneck: MONAI cannot pad a kernel of 1 for a stride of 3; "
        "use a kernel of at least 3",
    ),
    (
        {"block": "monai_unet_res", **BY_3},
        "block: in the bottleneck: the shortcut of MONAI's residual block strides by 2 at most, not by 3; "
        "use a smaller factor, or monai_unet_basic",
    ),
    (
        {"block": {"type": "monai_residual_unit", "dilation": 2}, **NEXT},
        "block.dilation: in the bottleneck: MONAI's shortcut is not dilated, and with a stride it makes another size "
        "than the units; use 1 where the resolution changes",
    ),
    (
        {"block": "monai_two_conv", **NEXT},
        "block: in the bottleneck: block 'monai_two_conv' cannot change the resolution; "
        "use downsample: conv or max_pool",
    ),
    (
        {"block": {"type": "monai_mednext"}, **BY_3},
        "block.type: in the bottleneck: MONAI's MedNeXt strides by 2 on every axis; use a factor of 2, or another block",
    ),
    (
        {"upsample": {"type": "monai_upsample", "kernel_size": 2, "scale_factor": [1, 2]}},
        "upsample.kernel_size: in the decoder at level 0: MONAI has no padding for a kernel of 2 where the size stays; "
        "use an odd kernel on that axis",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "scale_factor": [1, 2]}},
        "upsample.scale_factor: MONAI shuffles by the first axis's factor on all axes; "
        "give one number, or use mode deconv",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "scale_factor": 1}},
        "upsample.scale_factor: a factor of 1 shuffles nothing; use mode deconv",
    ),
    # Channels and dimensions
    (
        {"block": {"type": "monai_convolution", "groups": 3}, "in_channels": 4, "widths": [4, 4], "skip": "none"},
        f"block.groups: {ALL}: 3 does not divide 4 channels; use one of 1, 2, 4",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "deconvgroup", "channels": 3}},
        "upsample.mode: in the decoder at level 0: MONAI leaves the groups out where 8 channels are no multiple of the "
        "3 it makes; use deconv, or channels that divide",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "pixelshuffle", "pre_conv": "none", "scale_factor": 3}},
        "upsample.pre_conv: in the decoder at level 0: 8 channels do not make whole ones of 9 pixels each; "
        "use 'default'",
    ),
    (
        {"upsample": {"type": "monai_upsample", "mode": "nontrainable", "interp_mode": "bicubic"}, "dims": 3},
        "upsample.interp_mode: in the decoder at level 0: torch has no cubic interpolation in 3-D; use 'linear'",
    ),
    (
        {"block": {"type": "residual", "padding": "zeros", "attention": {"type": "monai_se", "r": 8}}, "widths": [4, 4]},
        f"block.attention.r: {ALL}: 4 channels divided by 8 leave none; use at most 4",
    ),
    (
        {"block": "monai_mednext", "dims": 1},
        f"block: {ALL}: MONAI has its MedNeXt in 2-D and 3-D only; use another part, or dims: 2",
    ),
    (
        {"upsample": "monai_mednext", "dims": 1},
        "upsample: in the decoder at level 0: MONAI has its MedNeXt in 2-D and 3-D only; use another part, or dims: 2",
    ),
]  # fmt: skip
