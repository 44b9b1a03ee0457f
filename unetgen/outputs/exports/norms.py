"""Norms, as sums that stay exact: onnxruntime adds up the values of a whole map one after the other.

Over a million values that loses four digits. Means along one axis after the other lose none that matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def steady() -> dict[Any, Callable[..., Any]]:
    """What torch.export's norms over maps are made of, by op."""
    return {
        torch.ops.aten.native_group_norm.default: _group_norm,
        torch.ops.aten.group_norm.default: _whole_group_norm,
        torch.ops.aten.instance_norm.default: _instance_norm,
    }


def _mean(x: Tensor, first: int) -> Tensor:
    for axis in range(x.dim() - 1, first - 1, -1):
        x = x.mean(axis, keepdim=True)
    return x


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    shape = (1, -1, *(1,) * (x.dim() - 2))
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _normalized(x: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    apart = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    mean = _mean(apart, 2)
    centred = apart - mean
    scale = torch.rsqrt(_mean(centred * centred, 2) + eps)
    return (centred * scale).reshape(x.shape), mean, scale


def _group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, _: int, __: int, ___: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    y, mean, scale = _normalized(x, group, eps)
    return _scaled(y, weight, bias), mean.reshape(x.shape[0], group), scale.reshape(x.shape[0], group)


def _whole_group_norm(
    x: Tensor, group: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, _: bool = True
) -> Tensor:
    return _scaled(_normalized(x, group, eps)[0], weight, bias)


def _instance_norm(  # as torch has it
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, variance: Tensor | None,
    use_input_stats: bool, _: float, eps: float, __: bool,
) -> Any:  # fmt: skip
    if not use_input_stats:
        return NotImplemented  # running statistics are no sums over maps
    return _scaled(_normalized(x, x.shape[1], eps)[0], weight, bias)
