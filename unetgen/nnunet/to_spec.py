"""Convert nnU-Net's own networks from plans to specs, layer for layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unetgen.api import graph_of
from unetgen.errors import PlansError, SpecError
from unetgen.nnunet.architecture_args import (
    ArchitectureArgs,
    PlainConvArgs,
    ResidualEncoderArgs,
    read_architecture_args,
)
from unetgen.nnunet.plans import Configuration

SpecData = dict[str, Any]

# Part types of specs by the class names in plans.
_ACTIVATIONS = {
    "LeakyReLU": "leaky_relu", "ReLU": "relu", "GELU": "gelu", "ELU": "elu", "SiLU": "silu", "Mish": "mish",
}  # fmt: skip
_NORMS = {"InstanceNorm": "instance", "BatchNorm": "batch"}

# Arguments of nnU-Net's networks that are supported only at these values.
_DEFAULT_VALUES = {
    "nonlin_first": (False,), "block": (None, "BasicBlockD"), "bottleneck_channels": (None,), "stem_channels": (None,),
    "deep_supervision": (True, False),
}  # fmt: skip
_SUPPORTED_ARGUMENTS = (
    "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage",
    "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin",
    "nonlin_kwargs",
)  # fmt: skip


def convert_to_spec(configuration: Configuration, in_channels: int, out_channels: int) -> SpecData:
    """Convert the network of a configuration to a spec that can be built.

    Args:
        configuration: The configuration of a plans file.
        in_channels: The channels of the image.
        out_channels: The classes of nnU-Net.

    Returns:
        The spec as plain data.

    Raises:
        PlansError: The network class or one of its arguments is not supported.
    """
    data = _build_spec(configuration, in_channels, out_channels)
    try:
        graph_of(data)
    except SpecError as error:
        lines = (f"{configuration.path}: {configuration.name}: {problem}" for problem in error.problems)
        raise PlansError(lines) from error
    return data


def _build_spec(configuration: Configuration, in_channels: int, out_channels: int) -> SpecData:
    """Assemble the spec: shared settings at the top, deviating ones under their levels."""
    if configuration.network_class not in _NETWORK_CLASSES:
        raise PlansError(
            f"{configuration.path}: {configuration.name} has the unsupported network class "
            f"{configuration.network_class!r}; supported classes: {', '.join(_NETWORK_CLASSES)}"
        )
    args_class, build_block = _NETWORK_CLASSES[configuration.network_class]
    _check_arguments(configuration)
    dims = len(configuration.patch_size)
    arguments = read_architecture_args(args_class, configuration.arguments, dims)
    unit = _build_unit(configuration, arguments)
    encoder = [build_block(unit, level, configuration, arguments) for level in range(arguments.n_stages)]
    counts = reversed(arguments.n_conv_per_stage_decoder)
    decoder = [_build_convolutions(unit, level, count, arguments) for level, count in enumerate(counts)]
    return {
        "schema_version": 1,
        "name": f"{_to_identifier(configuration.path.stem)}_{configuration.name}",
        "description": f"The network that nnU-Net planned for {configuration.name}.",
        "dims": dims,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "input_size": list(configuration.patch_size),
        "widths": arguments.features_per_stage,
        **_build_levels(
            encoder, decoder, [_build_resampling(_collapse_equal(stride), unit) for stride in arguments.strides[1:]]
        ),
        "skip": {"align": "strict", "fusion": {"type": "concat", "order": "upsampled_first"}},
        "head": {"type": "deep_supervision", "resolution": "native"},
        "init": {"type": "he_normal", "nonlinearity": "leaky_relu", "negative_slope": 0.01},
    }


def _check_arguments(configuration: Configuration) -> None:
    """Raise PlansError for an argument that specs do not support."""
    for name, node in configuration.arguments.mapping.items():
        value = node.to_data()
        short = _class_name(value) if isinstance(value, str) else value
        if name not in _SUPPORTED_ARGUMENTS and short not in _DEFAULT_VALUES.get(name, ()):
            raise PlansError(
                f"{configuration.path}: {configuration.name} has {name}={value!r}, which specs do not support; "
                "plan without it"
            )


def _build_levels(encoder: list[SpecData], decoder: list[SpecData], resampling: list[SpecData]) -> SpecData:
    """Return the settings of blocks and resampling: the most common ones at the top, others under their levels."""
    usual, usual_up, usual_resampling = _most_common(encoder), _most_common(decoder), _most_common(resampling)
    # A level that repeats the type of the downsampling inherits its factor, so each level sets its own.
    top: SpecData = {"block": usual, **usual_resampling}
    if usual_up != usual:
        top["decoder"] = {"block": usual_up}
    levels: dict[int, SpecData] = {}
    for level, block in enumerate(encoder):
        own: SpecData = {}
        is_last = level == len(encoder) - 1
        if block != usual:
            own |= {"block": block} if is_last else {"encoder": {"block": block}}
        if not is_last and decoder[level] != usual_up:
            own["decoder"] = {"block": decoder[level]}
        if not is_last and resampling[level] != usual_resampling:
            own |= resampling[level]
        if own:
            levels[level] = own
    return {**top, **({"levels": levels} if levels else {})}


def _build_resampling(stride: Any, unit: SpecData) -> SpecData:
    bias = {"bias": unit["bias"]} if "bias" in unit else {}
    up = {"type": "transposed_conv", "kernel_size": stride, "stride": stride, **bias}
    return {"downsample": {"type": "next_block", "factor": stride}, "upsample": up}


def _most_common(values: Sequence[Any]) -> Any:
    counts = Counter(map(repr, values))
    return max(values, key=lambda value: counts[repr(value)])


def _build_unit(configuration: Configuration, arguments: ArchitectureArgs) -> SpecData:
    """Return the settings of the layers around every convolution."""
    unit: SpecData = {
        "padding": "zeros",
        "norm": _build_norm(configuration, arguments),
        "activation": _build_activation(configuration, arguments),
    }
    if not arguments.conv_bias:
        unit["bias"] = False
    kind = _lookup_type(
        configuration, "dropout", arguments.dropout_op, {"Dropout": "element", f"Dropout{arguments.dims}d": "channel"}
    )
    rate = (arguments.dropout_op_kwargs or {}).get("p", 0.5)
    if kind and rate:
        unit["dropout"] = {"type": kind, "rate": rate, "place": "every"}
        unit["order"] = ["conv", "dropout", "norm", "activation"]
    return unit


def _build_norm(configuration: Configuration, arguments: ArchitectureArgs) -> Any:
    names = {f"{start}{arguments.dims}d": kind for start, kind in _NORMS.items()}
    kind = _lookup_type(configuration, "norm", arguments.norm_op, names)
    defaults = {"eps": 1e-5, "affine": kind == "batch", "momentum": 0.1, "track_running_stats": kind == "batch"}
    changed = {k: v for k, v in (arguments.norm_op_kwargs or {}).items() if defaults.get(k) != v} if kind else {}
    return {"type": kind, **changed} if changed else kind or "none"


def _build_activation(configuration: Configuration, arguments: ArchitectureArgs) -> Any:
    kind = _lookup_type(configuration, "activation", arguments.nonlin, _ACTIVATIONS)
    options = {k: v for k, v in (arguments.nonlin_kwargs or {}).items() if k != "inplace"} if kind else {}
    return {"type": kind, **options} if options else kind or "none"


def _lookup_type(configuration: Configuration, role: str, name: str | None, known: Mapping[str, str]) -> str | None:
    """Return the part type of a class; None if the plans name no class."""
    class_name = _class_name(name)
    if class_name is None:
        return None
    if class_name not in known:
        raise PlansError(
            f"{configuration.path}: {configuration.name} has the unsupported {role} {class_name!r}; "
            f"supported: {', '.join(known)}"
        )
    return known[class_name]


def _build_convolutions(unit: SpecData, level: int, repeats: int, arguments: ArchitectureArgs) -> SpecData:
    return {"type": "conv", "repeats": repeats, "kernel_size": _collapse_equal(arguments.kernel_sizes[level]), **unit}


def _build_plain_block(
    unit: SpecData, level: int, configuration: Configuration, arguments: ArchitectureArgs
) -> SpecData:
    return _build_convolutions(unit, level, arguments.repeats_per_stage[level], arguments)


def _build_residual_block(
    unit: SpecData, level: int, configuration: Configuration, arguments: ArchitectureArgs
) -> SpecData:
    """Return a stack of residual blocks, on the first level after one convolution; shortcuts pool when strided."""
    if "dropout" in unit:
        message = f"{configuration.path}: {configuration.name} has a dropout in residual blocks"
        raise PlansError(f"{message}, which specs do not support; plan without it")
    shortcut = {"type": "pooled_projection", "bias": "no"}
    one = {**_build_convolutions(unit, level, 2, arguments), "type": "residual", "shortcut": shortcut}
    count = arguments.repeats_per_stage[level]
    stack = {"type": "stack", "count": count, "block": one} if count > 1 else one
    return stack if level else {"type": "sequence", "blocks": [_build_convolutions(unit, level, 1, arguments), stack]}


_BlockBuilder = Callable[[SpecData, int, Configuration, ArchitectureArgs], SpecData]

_NETWORK_CLASSES: Mapping[str, tuple[type[ArchitectureArgs], _BlockBuilder]] = {
    "PlainConvUNet": (PlainConvArgs, _build_plain_block),
    "ResidualEncoderUNet": (ResidualEncoderArgs, _build_residual_block),
}


def _collapse_equal(numbers: list[int]) -> Any:
    """Return one number if all axes have the same."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _class_name(name: Any) -> str | None:
    """Return ``InstanceNorm2d`` for ``torch.nn.modules.instancenorm.InstanceNorm2d``."""
    return str(name).rpartition(".")[2] if name else None


def _to_identifier(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text).lower()
