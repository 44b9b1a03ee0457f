"""Mixing: products in half precision and all else in float32, as torch.autocast has it.

It chooses the type of every op, so one that has no kernel for half precision runs in float32.
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
    """Raises FormatError where it is no type that networks compute in."""
    if dtype is not None and dtype not in COMPUTE_TYPES:
        raise FormatError(
            f"dtype={dtype!r} is not a type that networks compute in; give one of {', '.join(map(str, COMPUTE_TYPES))}"
        )


def cast_product_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Puts the weights of products in half precision, in place: autocast would convert them at every call."""
    for module in model.modules():
        if is_unmodified(module, _PRODUCT_LAYERS):
            module.to(dtype)
