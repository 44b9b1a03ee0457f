"""For each part the options that the tests try, and the networks that they are tried in."""

from __future__ import annotations

from typing import Any

CONV = {"type": "conv", "padding": "zeros"}


UNITS: list[dict[str, Any]] = [
    {"repeats": 3}, {"kernel_size": 5}, {"padding": "circular"}, {"dilation": 2}, {"groups": 2}, {"bias": False},
    {"order": ["norm", "activation", "conv"]}, {"norm": "batch"}, {"activation": "gelu"}, {"dropout": 0.1},
]  # fmt: skip


# For each part, overlays that each change one option of it, over a first one that names the part.
# A part without a row, or an option that no row changes, fails.
PART_OPTIONS: dict[tuple[str, str], tuple[dict[str, Any], list[dict[str, Any]]]] = {
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


SURROUNDING_SPECS: dict[tuple[str, str], dict[str, Any]] = {
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
