"""Decompose norms into means along one axis at a time, which stay exact in onnxruntime.

onnxruntime sums the values of a feature map one after the other in single precision, which loses four digits over a
million values. Means along one axis after the other lose almost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def build_norm_decompositions() -> dict[Any, Callable[..., Any]]:
    """Return the decompositions of torch.export's group and instance norms, by operator."""
    return {
        torch.ops.aten.native_group_norm.default: _decompose_native_group_norm,
        torch.ops.aten.group_norm.default: _decompose_group_norm,
        torch.ops.aten.instance_norm.default: _decompose_instance_norm,
    }


def _mean_axis_by_axis(x: Tensor, first_axis: int) -> Tensor:
    for axis in range(x.dim() - 1, first_axis - 1, -1):
        x = x.mean(axis, keepdim=True)
    return x


def _apply_affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    shape = (1, -1, *(1,) * (x.dim() - 2))
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _normalize(x: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    grouped = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    mean = _mean_axis_by_axis(grouped, 2)
    centred = grouped - mean
    scale = torch.rsqrt(_mean_axis_by_axis(centred * centred, 2) + eps)
    return (centred * scale).reshape(x.shape), mean, scale


def _decompose_native_group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, _: int, __: int, ___: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    y, mean, scale = _normalize(x, group, eps)
    return _apply_affine(y, weight, bias), mean.reshape(x.shape[0], group), scale.reshape(x.shape[0], group)


def _decompose_group_norm(
    x: Tensor, group: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, _: bool = True
) -> Tensor:
    return _apply_affine(_normalize(x, group, eps)[0], weight, bias)


def _decompose_instance_norm(  # the arguments of torch's operator
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, variance: Tensor | None,
    use_input_stats: bool, _: float, eps: float, __: bool,
) -> Any:  # fmt: skip
    if not use_input_stats:
        return NotImplemented  # running statistics are not computed from the feature map
    return _apply_affine(_normalize(x, x.shape[1], eps)[0], weight, bias)
