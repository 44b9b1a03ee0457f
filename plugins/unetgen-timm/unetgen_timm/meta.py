"""Build modules without data, on torch's meta device, and infer the shapes of their outputs."""

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
    """Return the module that ``make`` builds, on the meta device and in evaluation mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shown when the network is built
        try:
            with torch.device("meta"):
                return make().eval()
        except NotImplementedError:
            # The constructor computes with tensors (RegNet's widths), so it needs their values.
            with torch.device("cpu"), torch.random.fork_rng(devices=[]):
                return make().to("meta").eval()


class _SkipNorms(TorchFunctionMode):
    """Skips norms, which do not change shapes but take three quarters of a pass on the meta device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in (F.batch_norm, F.layer_norm) else func(*args, **(kwargs or {}))


def infer_shapes(module: Callable[[Tensor], list[Tensor]], *shape: int) -> list[tuple[int, ...]]:
    """Return the shape (channels, *size) of each output for an input of a shape (channels, *size)."""
    with warnings.catch_warnings(), torch.no_grad(), _SkipNorms():
        warnings.simplefilter("ignore")
        return [tuple(output.shape[1:]) for output in module(torch.zeros(1, *shape, device="meta"))]
