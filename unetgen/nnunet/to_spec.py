"""From plans to a spec: nnU-Net's own networks in the spec language, layer for layer."""

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

# What arguments are called in specs, by the name of their class.
_ACTIVATIONS = {
    "LeakyReLU": "leaky_relu", "ReLU": "relu", "GELU": "gelu", "ELU": "elu", "SiLU": "silu", "Mish": "mish",
}  # fmt: skip
_NORMS = {"InstanceNorm": "instance", "BatchNorm": "batch"}

# Arguments that nnU-Net's networks have, and that are no part of what is planned unless they are at these values.
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
    """The network of a configuration as a spec, which can be built.

    Raises PlansError where the network is none of nnU-Net's own, or has arguments that no spec can say.
    """
    data = _build_spec(configuration, in_channels, out_channels)
    try:
        graph_of(data)
    except SpecError as error:
        lines = (f"{configuration.path}: {configuration.name}: {problem}" for problem in error.problems)
        raise PlansError("\n".join(lines)) from error
    return data


def _build_spec(configuration: Configuration, in_channels: int, out_channels: int) -> SpecData:
    """What differs by level is said by level, all else once."""
    if configuration.network_class not in _NETWORK_CLASSES:
        raise PlansError(
            f"{configuration.path}: {configuration.name} has a network {configuration.network_class!r}; those that can be read are "
            f"{', '.join(_NETWORK_CLASSES)}"
        )
    kind, block = _NETWORK_CLASSES[configuration.network_class]
    _check_arguments(configuration)
    dims = len(configuration.patch_size)
    given = read_architecture_args(kind, configuration.arguments, dims)
    unit = _build_unit(configuration, given)
    encoder = [block(unit, level, configuration, given) for level in range(given.n_stages)]
    counts = reversed(given.n_conv_per_stage_decoder)
    decoder = [_build_convolutions(unit, level, count, given) for level, count in enumerate(counts)]
    return {
        "schema_version": 1,
        "name": f"{_to_identifier(configuration.path.stem)}_{configuration.name}",
        "description": f"The network that nnU-Net planned for {configuration.name}.",
        "dims": dims,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "input_size": list(configuration.patch_size),
        "widths": given.features_per_stage,
        **_build_levels(
            encoder, decoder, [_build_resampling(_collapse_equal(stride), unit) for stride in given.strides[1:]]
        ),
        "skip": {"align": "strict", "fusion": {"type": "concat", "order": "upsampled_first"}},
        "head": {"type": "deep_supervision", "resolution": "native"},
        "init": {"type": "he_normal", "nonlinearity": "leaky_relu", "negative_slope": 0.01},
    }


def _check_arguments(configuration: Configuration) -> None:
    """Raises PlansError where there is an argument that no spec can say."""
    for name, node in configuration.arguments.mapping.items():
        value = node.to_data()
        short = _class_name(value) if isinstance(value, str) else value
        if name not in _SUPPORTED_ARGUMENTS and short not in _DEFAULT_VALUES.get(name, ()):
            raise PlansError(
                f"{configuration.path}: {configuration.name} has {name}={value!r}, which no spec can say; plan without it"
            )


def _build_levels(encoder: list[SpecData], decoder: list[SpecData], resampling: list[SpecData]) -> SpecData:
    """What stands on the levels: what most have is said at the top, the others by their level."""
    usual, usual_up, usual_between = _most_common(encoder), _most_common(decoder), _most_common(resampling)
    # A level that names the same downsampling again keeps its factor, so each says its own.
    said: SpecData = {"block": usual, **usual_between}
    if usual_up != usual:
        said["decoder"] = {"block": usual_up}
    levels: dict[int, SpecData] = {}
    for level, block in enumerate(encoder):
        own: SpecData = {}
        last = level == len(encoder) - 1
        if block != usual:
            own |= {"block": block} if last else {"encoder": {"block": block}}
        if not last and decoder[level] != usual_up:
            own["decoder"] = {"block": decoder[level]}
        if not last and resampling[level] != usual_between:
            own |= resampling[level]
        if own:
            levels[level] = own
    return {**said, **({"levels": levels} if levels else {})}


def _build_resampling(stride: Any, unit: SpecData) -> SpecData:
    bias = {"bias": unit["bias"]} if "bias" in unit else {}
    up = {"type": "transposed_conv", "kernel_size": stride, "stride": stride, **bias}
    return {"downsample": {"type": "next_block", "factor": stride}, "upsample": up}


def _most_common(values: Sequence[Any]) -> Any:
    counts = Counter(map(repr, values))
    return max(values, key=lambda value: counts[repr(value)])


def _build_unit(configuration: Configuration, arguments: ArchitectureArgs) -> SpecData:
    """What every convolution has around it."""
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
    usual = {"eps": 1e-5, "affine": kind == "batch", "momentum": 0.1, "track_running_stats": kind == "batch"}
    changed = {k: v for k, v in (arguments.norm_op_kwargs or {}).items() if usual.get(k) != v} if kind else {}
    return {"type": kind, **changed} if changed else kind or "none"


def _build_activation(configuration: Configuration, arguments: ArchitectureArgs) -> Any:
    kind = _lookup_type(configuration, "activation", arguments.nonlin, _ACTIVATIONS)
    options = {k: v for k, v in (arguments.nonlin_kwargs or {}).items() if k != "inplace"} if kind else {}
    return {"type": kind, **options} if options else kind or "none"


def _lookup_type(configuration: Configuration, role: str, name: str | None, known: Mapping[str, str]) -> str | None:
    """What a class is called in specs; None where there is none."""
    named = _class_name(name)
    if named is None:
        return None
    if named not in known:
        raise PlansError(
            f"{configuration.path}: {configuration.name} has the {role} {named!r}; specs can say {', '.join(known)}"
        )
    return known[named]


def _build_convolutions(unit: SpecData, level: int, repeats: int, arguments: ArchitectureArgs) -> SpecData:
    return {"type": "conv", "repeats": repeats, "kernel_size": _collapse_equal(arguments.kernel_sizes[level]), **unit}


def _build_plain_block(
    unit: SpecData, level: int, configuration: Configuration, arguments: ArchitectureArgs
) -> SpecData:
    return _build_convolutions(unit, level, arguments.repeats_per_stage[level], arguments)


def _build_residual_block(
    unit: SpecData, level: int, configuration: Configuration, arguments: ArchitectureArgs
) -> SpecData:
    """Residual blocks in a row, on the first level behind one convolution; shortcuts take means where sizes change."""
    if "dropout" in unit:
        what = f"{configuration.path}: {configuration.name} has a dropout in residual blocks"
        raise PlansError(f"{what}, which no spec can say; plan without it")
    shortcut = {"type": "pooled_projection", "bias": "no"}
    one = {**_build_convolutions(unit, level, 2, arguments), "type": "residual", "shortcut": shortcut}
    count = arguments.repeats_per_stage[level]
    several = {"type": "stack", "count": count, "block": one} if count > 1 else one
    return (
        several if level else {"type": "sequence", "blocks": [_build_convolutions(unit, level, 1, arguments), several]}
    )


_BlockBuilder = Callable[[SpecData, int, Configuration, ArchitectureArgs], SpecData]

_NETWORK_CLASSES: Mapping[str, tuple[type[ArchitectureArgs], _BlockBuilder]] = {
    "PlainConvUNet": (PlainConvArgs, _build_plain_block),
    "ResidualEncoderUNet": (ResidualEncoderArgs, _build_residual_block),
}


def _collapse_equal(numbers: list[int]) -> Any:
    """One number where all axes have the same."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _class_name(name: Any) -> str | None:
    """``torch.nn.modules.instancenorm.InstanceNorm2d`` as ``InstanceNorm2d``."""
    return str(name).rpartition(".")[2] if name else None


def _to_identifier(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text).lower()
