"""What a backbone hands over, asked of timm's network without its data: strides, levels, parameters."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from unetgen.errors import format_exception_line

from unetgen_timm import library
from unetgen_timm.library import UnsupportedOptionError
from unetgen_timm.meta import build_on_meta
from unetgen_timm.modules import Backbone

timm = library.import_timm()

# Options of timm's constructors, in one order, so that equal ones are looked up alike.
Options = tuple[tuple[str, Any], ...]


class Stage(NamedTuple):
    """One feature: its number in timm, and its level: 2 to the level is its stride, unless it is dilated."""

    out_index: int
    level: int
    stride: int


def build_backbone(name: str, *options: tuple[str, Any]) -> Backbone:
    """A backbone without data, for images of three channels."""
    return build_on_meta(lambda: Backbone(name, 3, options=dict(options)))


def read_strides(backbone: Backbone) -> list[int]:
    """The stride of each of its features, as timm states it."""
    return [int(stride) for stride in cast(Any, backbone.net).feature_info.reduction()]


@lru_cache(maxsize=128)
def read_stages(name: str, output_stride: int | None, drop_path: float | None) -> tuple[Stage, ...]:
    """The features of a backbone, finest first. Raises Unfit where they are no pyramid, or an option is not taken."""
    backbone = _build_full_backbone(name)
    strides = read_strides(backbone)
    if any(stride & (stride - 1) for stride in strides) or len(set(strides)) < len(strides):
        what = f"{name!r} has no pyramid: its features have strides {', '.join(map(str, strides))}"
        raise UnsupportedOptionError(
            "name", what, "use one that halves its map from stage to stage, such as convnext or swin"
        )
    levels = [stride.bit_length() - 1 for stride in strides]
    if output_stride is not None:
        backbone = _build_with_option(name, "output_stride", "output_stride", output_stride)
        strides = read_strides(backbone)
        if max(strides) != output_stride:
            raise UnsupportedOptionError(
                "output_stride", f"{name!r} has an output stride of {max(strides)} whatever it is told", _LEAVE_OUT_HINT
            )
    if drop_path is not None:
        dropping = _build_with_option(name, "drop_path", "drop_path_rate", drop_path)
        if drop_path and not any(getattr(module, "drop_prob", 0) for module in dropping.modules()):
            raise UnsupportedOptionError("drop_path", f"{name!r} has no paths to drop", _LEAVE_OUT_HINT)
    numbers = cast(Any, backbone.net).feature_info.out_indices
    return tuple(Stage(*stage) for stage in zip(numbers, levels, strides, strict=True))


_LEAVE_OUT_HINT = "leave it out"


def _build_full_backbone(name: str) -> Backbone:
    try:
        return build_backbone(name)
    except Exception as error:
        what = f"timm hands over no features of {name!r} ({format_exception_line(error)})"
        raise UnsupportedOptionError(
            "name", what, "use one with a pyramid of them, such as convnext or swin"
        ) from error


def _build_with_option(name: str, option: str, argument: str, value: float) -> Backbone:
    try:
        return build_backbone(name, (argument, value))
    except Exception as error:
        raise UnsupportedOptionError(
            option, f"{name!r} takes no '{option}: {value}' ({format_exception_line(error)})", _LEAVE_OUT_HINT
        ) from error


@lru_cache(maxsize=64)
def find_stage_parameters(name: str, count: int, options: Options) -> frozenset[str]:
    """The parameters that the first stages are made of: those through which their features have a gradient."""
    backbone = build_backbone(name, *options)
    size = dict(options).get("img_size") or timm.get_pretrained_cfg(name).input_size[1:]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.enable_grad():
        features = backbone(torch.zeros(1, 3, height, width, device="meta"))
        total = torch.stack([feature.sum() for feature in features[:count]]).sum()
    named = dict(backbone.net.named_parameters())
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True)
    return frozenset(key for key, gradient in zip(named, gradients, strict=True) if gradient is not None)
