"""Build a backbone of timm as a module, and read its stages from a copy without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from unetgen.errors import format_exception_line

from unetgen_timm import library
from unetgen_timm.library import UnsupportedOptionError
from unetgen_timm.meta import build_on_meta
from unetgen_timm.weights import load_from_file, load_from_timm

timm = library.import_timm()

# Options of timm's constructors in a fixed order, so that equal options give equal cache keys.
Options = tuple[tuple[str, Any], ...]


class Backbone(nn.Module):
    """A backbone of timm, (batch, in_chans, height, width) -> a feature map for each of ``out_indices``.

    Args:
        name: The backbone's name in timm.
        in_chans: The number of input channels.
        out_indices: The indices of the features in timm (default: all).
        options: Further options of ``timm.create_model``.
        frozen: The number of first stages without gradients, which stay in evaluation mode.
        pretrained: Whether to load timm's weights.
        weights: A file of initial weights.
    """

    def __init__(
        self,
        name: str,
        in_chans: int,
        out_indices: Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
        frozen: int = 0,
        pretrained: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        extra = {key: tuple(value) if isinstance(value, list) else value for key, value in (options or {}).items()}
        selection = {"out_indices": tuple(out_indices)} if out_indices else {}
        arguments = {"in_chans": in_chans, **selection, **extra}
        self.net: nn.Module
        if weights is not None:
            self.net = load_from_file(name, weights, **arguments)
        elif pretrained:
            self.net = load_from_timm(name, **arguments)
        else:
            self.net = timm.create_model(name, features_only=True, **arguments)
        self.channels_last = str(getattr(self.net, "output_fmt", "")).endswith("NHWC")
        _drop_weight_sources(self.net)
        self.frozen_modules = _freeze_stages(self.net, name, extra, frozen) if frozen else ()
        self.train(self.training)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.net(x)
        return [m.permute(0, 3, 1, 2) for m in maps] if self.channels_last else list(maps)

    def train(self, mode: bool = True) -> Backbone:
        """Set the training mode, except of frozen stages, whose norms must not update their statistics."""
        super().train(mode)
        for path in self.frozen_modules:
            self.net.get_submodule(path).eval()
        return self

    def extra_repr(self) -> str:
        return f"frozen: {', '.join(self.frozen_modules)}" if self.frozen_modules else ""


def _drop_weight_sources(net: nn.Module) -> None:
    """Delete timm's record of the weights' source, which may hold all tensors of a file and is no longer needed."""
    for module in net.modules():
        for name in ("pretrained_cfg", "default_cfg"):
            module.__dict__.pop(name, None)


def _freeze_stages(net: nn.Module, name: str, options: dict[str, Any], count: int) -> tuple[str, ...]:
    """Freeze the parameters of the first stages; return the outermost modules that are entirely frozen."""
    frozen_parameters = find_stage_parameters(name, count, tuple(sorted(options.items())))
    for path, parameter in net.named_parameters():
        parameter.requires_grad_(path not in frozen_parameters)
    frozen = {
        path
        for path, module in net.named_modules()
        if path and not any(p.requires_grad for p in module.parameters()) and list(module.parameters())
    }
    return tuple(path for path, _ in net.named_modules() if path in frozen and path.rpartition(".")[0] not in frozen)


class Stage(NamedTuple):
    """A feature: its index in timm, its level (the base-2 logarithm of the undilated stride), and its stride."""

    out_index: int
    level: int
    stride: int


def build_backbone(name: str, *options: tuple[str, Any]) -> Backbone:
    """Build a backbone without data, for images of three channels."""
    return build_on_meta(lambda: Backbone(name, 3, options=dict(options)))


def read_strides(backbone: Backbone) -> list[int]:
    """Return the stride of each feature according to timm."""
    return [int(stride) for stride in cast(Any, backbone.net).feature_info.reduction()]


@lru_cache(maxsize=128)
def read_stages(name: str, output_stride: int | None, drop_path: float | None) -> tuple[Stage, ...]:
    """Read the stages of a backbone, the finest first.

    Args:
        name: The backbone's name in timm.
        output_stride: The maximum stride, or None for the backbone's own.
        drop_path: The rate of stochastic depth, or None for the backbone's own.

    Raises:
        UnsupportedOptionError: The features are not a pyramid, or the backbone does not support an option.
    """
    backbone = _build_full_backbone(name)
    strides = read_strides(backbone)
    if any(stride & (stride - 1) for stride in strides) or len(set(strides)) < len(strides):
        message = f"{name!r} is not a pyramid: its features have strides {', '.join(map(str, strides))}"
        hint = "use a backbone that halves its map at each stage, such as convnext or swin"
        raise UnsupportedOptionError("name", message, hint)
    levels = [stride.bit_length() - 1 for stride in strides]
    if output_stride is not None:
        backbone = _build_with_option(name, "output_stride", "output_stride", output_stride)
        strides = read_strides(backbone)
        if max(strides) != output_stride:
            message = f"{name!r} ignores the option, its output stride is {max(strides)}"
            raise UnsupportedOptionError("output_stride", message, "delete the option")
    if drop_path is not None:
        with_drop_path = _build_with_option(name, "drop_path", "drop_path_rate", drop_path)
        if drop_path and not any(getattr(module, "drop_prob", 0) for module in with_drop_path.modules()):
            raise UnsupportedOptionError("drop_path", f"{name!r} has no paths to drop", "delete the option")
    out_indices = cast(Any, backbone.net).feature_info.out_indices
    return tuple(Stage(*stage) for stage in zip(out_indices, levels, strides, strict=True))


def _build_full_backbone(name: str) -> Backbone:
    try:
        return build_backbone(name)
    except Exception as error:
        message = f"timm returns no features of {name!r} ({format_exception_line(error)})"
        hint = "use a backbone with a pyramid of features, such as convnext or swin"
        raise UnsupportedOptionError("name", message, hint) from error


def _build_with_option(name: str, option: str, argument: str, value: float) -> Backbone:
    try:
        return build_backbone(name, (argument, value))
    except Exception as error:
        message = f"{name!r} does not support '{option}: {value}' ({format_exception_line(error)})"
        raise UnsupportedOptionError(option, message, "delete the option") from error


@lru_cache(maxsize=64)
def find_stage_parameters(name: str, count: int, options: Options) -> frozenset[str]:
    """Return the parameters of the first stages: those for which the stages' features have a gradient.

    Args:
        name: The backbone's name in timm.
        count: The number of stages.
        options: Further options of the backbone.
    """
    backbone = build_backbone(name, *options)
    size = dict(options).get("img_size") or timm.get_pretrained_cfg(name).input_size[1:]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.enable_grad():
        features = backbone(torch.zeros(1, 3, height, width, device="meta"))
        total = torch.stack([feature.sum() for feature in features[:count]]).sum()
    parameters = dict(backbone.net.named_parameters())
    gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    return frozenset(key for key, gradient in zip(parameters, gradients, strict=True) if gradient is not None)
