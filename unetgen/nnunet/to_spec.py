"""From plans to a spec: nnU-Net's own networks in the spec language, layer for layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unetgen.api import graph_of
from unetgen.errors import PlansError, SpecError
from unetgen.nnunet.arguments import Arguments, PlainArguments, ResidualArguments, arguments_of
from unetgen.nnunet.plans import Configuration

Data = dict[str, Any]

# What arguments are called in specs, by the name of their class.
_ACTIVATIONS = {
    "LeakyReLU": "leaky_relu", "ReLU": "relu", "GELU": "gelu", "ELU": "elu", "SiLU": "silu", "Mish": "mish",
}  # fmt: skip
_NORMS = {"InstanceNorm": "instance", "BatchNorm": "batch"}

# Arguments that nnU-Net's networks have, and that are no part of what is planned unless they are at these values.
_USUAL = {
    "nonlin_first": (False,), "block": (None, "BasicBlockD"), "bottleneck_channels": (None,), "stem_channels": (None,),
    "deep_supervision": (True, False),
}  # fmt: skip
_KNOWN = (
    "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage",
    "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin",
    "nonlin_kwargs",
)  # fmt: skip


def spec_of(found: Configuration, in_channels: int, out_channels: int) -> Data:
    """The network of a configuration as a spec, which can be built.

    Raises PlansError where the network is none of nnU-Net's own, or has arguments that no spec can say.
    """
    data = _read(found, in_channels, out_channels)
    try:
        graph_of(data)
    except SpecError as error:
        lines = (f"{found.path}: {found.name}: {problem}" for problem in error.problems)
        raise PlansError("\n".join(lines)) from error
    return data


def _read(found: Configuration, in_channels: int, out_channels: int) -> Data:
    """What differs by level is said by level, all else once."""
    if found.network not in _NETWORKS:
        raise PlansError(
            f"{found.path}: {found.name} has a network {found.network!r}; those that can be read are "
            f"{', '.join(_NETWORKS)}"
        )
    kind, block = _NETWORKS[found.network]
    _check_known(found)
    dims = len(found.patch_size)
    given = arguments_of(kind, found.arguments, dims)
    unit = _unit(found, given)
    encoder = [block(unit, level, found, given) for level in range(given.n_stages)]
    counts = reversed(given.n_conv_per_stage_decoder)
    decoder = [_convolutions(unit, level, count, given) for level, count in enumerate(counts)]
    return {
        "schema_version": 1,
        "name": f"{_plain(found.path.stem)}_{found.name}",
        "description": f"The network that nnU-Net planned for {found.name}.",
        "dims": dims,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "input_size": list(found.patch_size),
        "widths": given.features_per_stage,
        **_levels(encoder, decoder, [_between(_axes(stride), unit) for stride in given.strides[1:]]),
        "skip": {"align": "strict", "fusion": {"type": "concat", "order": "upsampled_first"}},
        "head": {"type": "deep_supervision", "resolution": "native"},
        "init": {"type": "he_normal", "nonlinearity": "leaky_relu", "negative_slope": 0.01},
    }


def _check_known(found: Configuration) -> None:
    """Raises PlansError where there is an argument that no spec can say."""
    for name, node in found.arguments.mapping.items():
        value = node.plain()
        short = _called(value) if isinstance(value, str) else value
        if name not in _KNOWN and short not in _USUAL.get(name, ()):
            raise PlansError(f"{found.path}: {found.name} has {name}={value!r}, which no spec can say; plan without it")


def _levels(encoder: list[Data], decoder: list[Data], between: list[Data]) -> Data:
    """What stands on the levels: what most have is said at the top, the others by their level."""
    usual, usual_up, usual_between = _commonest(encoder), _commonest(decoder), _commonest(between)
    # A level that names the same downsampling again keeps its factor, so each says its own.
    said: Data = {"block": usual, **usual_between}
    if usual_up != usual:
        said["decoder"] = {"block": usual_up}
    levels: dict[int, Data] = {}
    for level, block in enumerate(encoder):
        own: Data = {}
        last = level == len(encoder) - 1
        if block != usual:
            own |= {"block": block} if last else {"encoder": {"block": block}}
        if not last and decoder[level] != usual_up:
            own["decoder"] = {"block": decoder[level]}
        if not last and between[level] != usual_between:
            own |= between[level]
        if own:
            levels[level] = own
    return {**said, **({"levels": levels} if levels else {})}


def _between(stride: Any, unit: Data) -> Data:
    bias = {"bias": unit["bias"]} if "bias" in unit else {}
    up = {"type": "transposed_conv", "kernel_size": stride, "stride": stride, **bias}
    return {"downsample": {"type": "next_block", "factor": stride}, "upsample": up}


def _commonest(values: Sequence[Any]) -> Any:
    counts = Counter(map(repr, values))
    return max(values, key=lambda value: counts[repr(value)])


def _unit(found: Configuration, given: Arguments) -> Data:
    """What every convolution has around it."""
    unit: Data = {"padding": "zeros", "norm": _norm(found, given), "activation": _activation(found, given)}
    if not given.conv_bias:
        unit["bias"] = False
    kind = _one_of(found, "dropout", given.dropout_op, {"Dropout": "element", f"Dropout{given.dims}d": "channel"})
    rate = (given.dropout_op_kwargs or {}).get("p", 0.5)
    if kind and rate:
        unit["dropout"] = {"type": kind, "rate": rate, "place": "every"}
        unit["order"] = ["conv", "dropout", "norm", "activation"]
    return unit


def _norm(found: Configuration, given: Arguments) -> Any:
    names = {f"{start}{given.dims}d": kind for start, kind in _NORMS.items()}
    kind = _one_of(found, "norm", given.norm_op, names)
    usual = {"eps": 1e-5, "affine": kind == "batch", "momentum": 0.1, "track_running_stats": kind == "batch"}
    changed = {k: v for k, v in (given.norm_op_kwargs or {}).items() if usual.get(k) != v} if kind else {}
    return {"type": kind, **changed} if changed else kind or "none"


def _activation(found: Configuration, given: Arguments) -> Any:
    kind = _one_of(found, "activation", given.nonlin, _ACTIVATIONS)
    options = {k: v for k, v in (given.nonlin_kwargs or {}).items() if k != "inplace"} if kind else {}
    return {"type": kind, **options} if options else kind or "none"


def _one_of(found: Configuration, what: str, name: str | None, known: Mapping[str, str]) -> str | None:
    """What a class is called in specs; None where there is none."""
    named = _called(name)
    if named is None:
        return None
    if named not in known:
        raise PlansError(f"{found.path}: {found.name} has the {what} {named!r}; specs can say {', '.join(known)}")
    return known[named]


def _convolutions(unit: Data, level: int, repeats: int, given: Arguments) -> Data:
    return {"type": "conv", "repeats": repeats, "kernel_size": _axes(given.kernel_sizes[level]), **unit}


def _plain_block(unit: Data, level: int, found: Configuration, given: Arguments) -> Data:
    return _convolutions(unit, level, given.counts[level], given)


def _residual_block(unit: Data, level: int, found: Configuration, given: Arguments) -> Data:
    """Residual blocks in a row, on the first level behind one convolution; shortcuts take means where sizes change."""
    if "dropout" in unit:
        what = f"{found.path}: {found.name} has a dropout in residual blocks"
        raise PlansError(f"{what}, which no spec can say; plan without it")
    shortcut = {"type": "pooled_projection", "bias": "no"}
    one = {**_convolutions(unit, level, 2, given), "type": "residual", "shortcut": shortcut}
    count = given.counts[level]
    several = {"type": "stack", "count": count, "block": one} if count > 1 else one
    return several if level else {"type": "sequence", "blocks": [_convolutions(unit, level, 1, given), several]}


_Block = Callable[[Data, int, Configuration, Arguments], Data]

_NETWORKS: Mapping[str, tuple[type[Arguments], _Block]] = {
    "PlainConvUNet": (PlainArguments, _plain_block),
    "ResidualEncoderUNet": (ResidualArguments, _residual_block),
}


def _axes(numbers: list[int]) -> Any:
    """One number where all axes have the same."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _called(name: Any) -> str | None:
    """``torch.nn.modules.instancenorm.InstanceNorm2d`` as ``InstanceNorm2d``."""
    return str(name).rpartition(".")[2] if name else None


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text).lower()
