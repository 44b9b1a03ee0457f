"""From plans to a spec: nnU-Net's own networks in the spec language, layer for layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unetgen.errors import PlansError
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
    """The network of a configuration as a spec: what differs by level is said by level, all else once.

    Raises PlansError where the network is none of nnU-Net's own, or has arguments that no spec can say.
    """
    if found.network not in _BLOCKS:
        raise PlansError(
            f"{found.path}: {found.name} has a network {found.network!r}; those that can be read are "
            f"{', '.join(_BLOCKS)}"
        )
    given = found.arguments
    for name, value in given.items():
        if name not in _KNOWN and value not in _USUAL.get(name, ()):
            raise PlansError(f"{found.path}: {found.name} has {name}={value!r}, which no spec can say; plan without it")
    stages, dims = given["n_stages"], len(found.patch_size)
    strides = [_axes(stride, dims) for stride in _each(given["strides"], stages)]
    unit = _unit(found, dims)
    encoder = [_BLOCKS[found.network](unit, level, found) for level in range(stages)]
    counts = list(reversed(_each(given["n_conv_per_stage_decoder"], stages - 1)))
    kernels = [_axes(kernel, dims) for kernel in _each(given["kernel_sizes"], stages)]
    decoder = [{"type": "conv", "repeats": n, "kernel_size": k, **unit} for n, k in zip(counts, kernels, strict=False)]
    return {
        "schema_version": 1,
        "name": f"{_plain(found.path.stem)}_{found.name}",
        "description": f"The network that nnU-Net planned for {found.name}.",
        "dims": dims,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "input_size": list(found.patch_size),
        "widths": list(_each(given["features_per_stage"], stages)),
        **_levels(encoder, decoder, [_between(stride, unit) for stride in strides[1:]]),
        "skip": {"align": "strict", "fusion": {"type": "concat", "order": "upsampled_first"}},
        "head": {"type": "deep_supervision", "resolution": "native"},
        "init": {"type": "he_normal", "nonlinearity": "leaky_relu", "negative_slope": 0.01},
    }


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


def _unit(found: Configuration, dims: int) -> Data:
    """What every convolution has around it."""
    given = found.arguments
    unit: Data = {"padding": "zeros", "norm": _norm(found), "activation": _activation(found)}
    if not given.get("conv_bias", False):
        unit["bias"] = False
    if given.get("dropout_op"):
        options = given.get("dropout_op_kwargs") or {}
        if rate := options.get("p", 0.5):
            unit["dropout"] = {"type": "channel", "rate": rate, "place": "every"}
            unit["order"] = ["conv", "dropout", "norm", "activation"]
    return unit


def _norm(found: Configuration) -> Any:
    named, options = _called(found.arguments.get("norm_op")), dict(found.arguments.get("norm_op_kwargs") or {})
    if named is None:
        return "none"
    kind = next((name for start, name in _NORMS.items() if named.startswith(start)), None)
    if kind is None:
        raise PlansError(f"{found.path}: {found.name} has the norm {named!r}; specs can say {', '.join(_NORMS)}")
    usual = {"eps": 1e-5, "affine": kind == "batch", "momentum": 0.1, "track_running_stats": kind == "batch"}
    changed = {name: value for name, value in options.items() if usual.get(name) != value}
    return {"type": kind, **changed} if changed else kind


def _activation(found: Configuration) -> Any:
    named, options = _called(found.arguments.get("nonlin")), dict(found.arguments.get("nonlin_kwargs") or {})
    if named is None:
        return "none"
    if named not in _ACTIVATIONS:
        raise PlansError(
            f"{found.path}: {found.name} has the activation {named!r}; specs can say {', '.join(_ACTIVATIONS)}"
        )
    options.pop("inplace", None)
    return {"type": _ACTIVATIONS[named], **options} if options else _ACTIVATIONS[named]


def _plain_block(unit: Data, level: int, found: Configuration) -> Data:
    stages, dims = found.arguments["n_stages"], len(found.patch_size)
    repeats = _each(found.arguments["n_conv_per_stage"], stages)[level]
    return {"type": "conv", "repeats": repeats, "kernel_size": _kernel(found, level, dims), **unit}


def _residual_block(unit: Data, level: int, found: Configuration) -> Data:
    """Residual blocks in a row, on the first level behind one convolution; shortcuts take means where sizes change."""
    stages, dims = found.arguments["n_stages"], len(found.patch_size)
    count, kernel = _each(found.arguments["n_blocks_per_stage"], stages)[level], _kernel(found, level, dims)
    one = {"type": "residual", "repeats": 2, "kernel_size": kernel, **unit}
    if "dropout" in unit:
        what = f"{found.path}: {found.name} has a dropout in residual blocks"
        raise PlansError(f"{what}, which no spec can say; plan without it")
    one["shortcut"] = {"type": "pooled_projection", "bias": "no"}
    several = {"type": "stack", "count": count, "block": one} if count > 1 else one
    if level:
        return several
    return {"type": "sequence", "blocks": [{"type": "conv", "repeats": 1, "kernel_size": kernel, **unit}, several]}


_BLOCKS: Mapping[str, Callable[[Data, int, Configuration], Data]] = {
    "PlainConvUNet": _plain_block,
    "ResidualEncoderUNet": _residual_block,
}


def _kernel(found: Configuration, level: int, dims: int) -> Any:
    return _axes(_each(found.arguments["kernel_sizes"], found.arguments["n_stages"])[level], dims)


def _each(value: Any, count: int) -> list[Any]:
    """One value for each, where one may stand for all."""
    return [value] * count if isinstance(value, (int, float)) else list(value)


def _axes(value: Any, dims: int) -> Any:
    """One number where all axes have the same."""
    numbers = [value] * dims if isinstance(value, int) else list(value)
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _called(name: Any) -> str | None:
    """``torch.nn.modules.instancenorm.InstanceNorm2d`` as ``InstanceNorm2d``."""
    return str(name).rpartition(".")[2] if name else None


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in text).lower()
