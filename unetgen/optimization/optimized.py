"""Optimized: a network for inference, called as the one it was made of."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unetgen.errors import FormatError
from unetgen.graph.graph import Graph
from unetgen.network.unet import NetworkOutput, UNet
from unetgen.network.weights.checkpoint import unwrap_compiled
from unetgen.optimization.folding import fold_batch_norms
from unetgen.optimization.mixed_precision import HALF_TYPES, cast_product_weights, check_dtype
from unetgen.optimization.norm_replacement import replace_norms

if TYPE_CHECKING:
    from unetgen.config.spec import Spec

# The order in memory in which convolutions run fastest, by dimensions; in one there is no other.
_MEMORY_FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}


class OptimizedUNet(nn.Module):
    """Takes and gives what its network takes and gives, without gradients; ``folded`` is how many norms are gone.

    A size that does not fit raises SizeError, as before. Outputs have the image's type, which must be a floating one.
    """

    def __init__(self, network: UNet, dtype: torch.dtype | None, *, channels_last: bool, compiled: bool) -> None:
        super().__init__()
        self.folded = fold_batch_norms(network)
        if next(network.parameters()).device.type == "cpu":
            replace_norms(network)
        self.autocast_dtype = dtype if dtype in HALF_TYPES else None
        self.network = network if dtype is None else network.to(torch.float32 if self.autocast_dtype else dtype)
        if self.autocast_dtype:
            cast_product_weights(self.network, self.autocast_dtype)
        self.memory_format = _MEMORY_FORMATS.get(network.graph.dims) if channels_last else None
        if self.memory_format is not None:
            order: Any = {"memory_format": self.memory_format}  # torch's types leave out that it can stand alone
            self.network.to(**order)
        self._call: Any = self.network
        if compiled:
            # Freezing lays weights out once, as the processor wants them.
            self._call = torch.compile(self.network, options={"freezing": True})

    @property
    def spec(self) -> Spec:
        """The spec of the network that it was made of."""
        return self.network.spec

    @property
    def graph(self) -> Graph:
        """The graph of the network that it was made of."""
        return self.network.graph

    def train(self, mode: bool = True) -> OptimizedUNet:
        if mode:
            raise FormatError("an optimized network cannot be trained; train the one it was made of")
        return super().train(mode)

    def forward(self, x: Tensor) -> NetworkOutput:
        self.network.check_input(x)
        given = x.dtype
        if not given.is_floating_point:
            raise FormatError(f"the image is of {given}, a network takes floating numbers; convert it: x.float() / 255")
        x = x.to(torch.float32 if self.autocast_dtype else next(self.network.parameters()).dtype)
        if self.memory_format is not None:
            x = x.contiguous(memory_format=self.memory_format)
        with torch.no_grad(), self._autocast(x.device.type):
            result: NetworkOutput = _cast_output(self._call(x), given)
        return result

    def _autocast(self, device: str) -> AbstractContextManager[Any]:
        return torch.autocast(device, self.autocast_dtype) if self.autocast_dtype else nullcontext()


def _cast_output(result: Any, dtype: torch.dtype) -> Any:
    """A result in another type."""
    if isinstance(result, Tensor):
        return result if result.dtype == dtype else result.to(dtype)
    if isinstance(result, dict):
        return {name: _cast_output(value, dtype) for name, value in result.items()}
    return [_cast_output(value, dtype) for value in result]


def optimize(
    model: UNet,
    *,
    dtype: torch.dtype | None = None,
    channels_last: bool = True,
    compile: bool = False,  # noqa: A002  # torch's word
) -> OptimizedUNet:
    """A copy of a network for inference: batch norms folded into convolutions, channels last in memory.

    On a processor instance and group norms are computed in an arithmetic that suits that order, several times as fast.
    In float32 outputs are within 1e-4 of the network's, of the largest. ``dtype=torch.bfloat16`` computes products in
    it and is much faster where the processor multiplies faster in it, which not all that know it do; outputs are as far
    off as ``torch.autocast``'s, mostly by a hundredth of the largest, in deep residual networks by a tenth (see
    docs/optimize.md). ``compile=True`` compiles at the first call for each size, which takes half a minute and a C++
    compiler. The model itself is left as it is. Raises FormatError where it cannot be done.
    """
    if isinstance(model, OptimizedUNet):
        raise FormatError("this network is optimized already; give the one it was made of")
    check_dtype(dtype)
    source = unwrap_compiled(model)
    if any(tensor.is_meta for tensor in source.state_dict().values()):
        raise FormatError("this network is on the meta device and has no weights; build it on another device")
    on_cpu = next(source.parameters()).device.type == "cpu"
    if compile and on_cpu and not any(shutil.which(name) for name in ("g++", "clang++", "c++", "cl")):
        raise FormatError("compile=True needs a C++ compiler, and none is found; install g++, or leave it out")
    _check_copyable(source)
    copied = deepcopy(source).eval()
    for parameter in copied.parameters():
        parameter.requires_grad = False
    return OptimizedUNet(copied, dtype, channels_last=channels_last, compiled=compile).eval()


def _check_copyable(model: UNet) -> None:
    """Raises FormatError where a weight is no weight but the result of others, which torch does not copy."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and not value.is_leaf:
                raise FormatError(
                    f"{path}.{name} is computed from other weights, as by nn.utils.weight_norm, and cannot be copied; "
                    "use nn.utils.parametrizations.weight_norm, or nn.utils.remove_weight_norm when it is trained"
                )
