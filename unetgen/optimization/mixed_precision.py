"""Compute convolutions and matrix products in half precision, all other operations in float32.

``torch.autocast`` chooses the type of each operation, so one without a half-precision kernel runs in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from unetgen.errors import FormatError
from unetgen.optimization.module_checks import is_unmodified

HALF_TYPES = (torch.bfloat16, torch.float16)
COMPUTE_TYPES = (torch.float64, torch.float32, *HALF_TYPES)

_PRODUCT_LAYERS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear,
)  # fmt: skip


def check_dtype(dtype: Any) -> None:
    """Raise FormatError unless networks can compute in this type; None keeps the type of the weights."""
    if dtype is not None and dtype not in COMPUTE_TYPES:
        raise FormatError(f"dtype={dtype!r} is not supported; use one of {', '.join(map(str, COMPUTE_TYPES))}")


def cast_product_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights of convolutions and linear layers in place; autocast would cast them at every call."""
    for module in model.modules():
        if is_unmodified(module, _PRODUCT_LAYERS):
            module.to(dtype)
