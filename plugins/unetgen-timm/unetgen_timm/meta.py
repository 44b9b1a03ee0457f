"""Modules without data: on torch's meta device they cost no memory, draw no random numbers and compute nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

M = TypeVar("M", bound=nn.Module)


def build_on_meta(make: Callable[[], M]) -> M:
    """What ``make`` returns, on the meta device and in evaluation mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever builds the network will hear of it
        try:
            with torch.device("meta"):
                return make().eval()
        except NotImplementedError:
            # It reckons with tensors while it is made (RegNet's widths), so for that moment it needs their values.
            with torch.device("cpu"), torch.random.fork_rng(devices=[]):
                return make().to("meta").eval()


class _SkipNorms(TorchFunctionMode):
    """A norm keeps its input's shape, and three quarters of a pass on the meta device would go into saying so."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in (F.batch_norm, F.layer_norm) else func(*args, **(kwargs or {}))


def infer_shapes(module: Callable[[Tensor], list[Tensor]], *shape: int) -> list[tuple[int, ...]]:
    """(channels, *size) of each map that a module without data makes of one of that shape."""
    with warnings.catch_warnings(), torch.no_grad(), _SkipNorms():
        warnings.simplefilter("ignore")
        return [tuple(made.shape[1:]) for made in module(torch.zeros(1, *shape, device="meta"))]
