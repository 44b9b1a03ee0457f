"""Copy a network and optimize the copy for inference; it is called like the original."""

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

# The memory format in which convolutions run fastest, by spatial dimensions; 1-D tensors have only one.
_MEMORY_FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}


class OptimizedUNet(nn.Module):
    """An optimized network: same inputs and outputs as the original, without gradients.

    ``folded`` is the number of batch norms that were folded into convolutions. A size that does not fit raises
    SizeError, as before. Outputs have the dtype of the image, which must be a floating-point type.
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
            options: Any = {"memory_format": self.memory_format}  # torch's stubs require a dtype or device beside it
            self.network.to(**options)
        self._call: Any = self.network
        if compiled:
            # Freezing converts the weights to the processor's preferred layout once.
            self._call = torch.compile(self.network, options={"freezing": True})

    @property
    def spec(self) -> Spec:
        """The spec of the original network."""
        return self.network.spec

    @property
    def graph(self) -> Graph:
        """The graph of the original network."""
        return self.network.graph

    def train(self, mode: bool = True) -> OptimizedUNet:
        if mode:
            raise FormatError("an optimized network cannot be trained; train the original network")
        return super().train(mode)

    def forward(self, x: Tensor) -> NetworkOutput:
        self.network.check_input(x)
        image_dtype = x.dtype
        if not image_dtype.is_floating_point:
            message = f"image dtype {image_dtype} is not a floating-point type"
            raise FormatError(f"{message}; convert the image, for example x.float() / 255")
        x = x.to(torch.float32 if self.autocast_dtype else next(self.network.parameters()).dtype)
        if self.memory_format is not None:
            x = x.contiguous(memory_format=self.memory_format)
        with torch.no_grad(), self._autocast(x.device.type):
            result: NetworkOutput = _cast_output(self._call(x), image_dtype)
        return result

    def _autocast(self, device: str) -> AbstractContextManager[Any]:
        return torch.autocast(device, self.autocast_dtype) if self.autocast_dtype else nullcontext()


def _cast_output(result: Any, dtype: torch.dtype) -> Any:
    """Return a result with all its tensors cast to a type."""
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
    """Return a copy of a network for inference: batch norms folded into convolutions, channels last in memory.

    On a CPU, instance and group norms are replaced by ones that are several times as fast in that memory format. The
    model itself is not changed. In float32, outputs differ from the network's by at most 1e-4 of the largest value.

    Args:
        model: The network, on the CPU or a GPU.
        dtype: The compute type: float64, float32, bfloat16 or float16; None keeps the type of the weights. Half types
            apply to convolutions and linear layers and are faster only on processors that multiply faster in them.
            Outputs are as far off as with ``torch.autocast``: mostly by a hundredth of the largest value, in deep
            residual networks by a tenth (see docs/reference/performance.md).
        channels_last: Whether to store weights and feature maps with channels last (2-D and 3-D).
        compile: Whether to compile at the first call for each size, which takes half a minute and a C++ compiler.

    Returns:
        A module that takes ``(batch, in_channels, *size)`` and returns what the network returns.

    Raises:
        FormatError: The network or an option cannot be used for this.

    Examples:
        >>> import torch, unetgen
        >>> model = unetgen.build("unet_milesial", widths=[4, 8], seed=0)
        >>> fast = unetgen.optimize(model)
        >>> fast.folded
        6
        >>> fast(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 2, 16, 16])
    """
    if isinstance(model, OptimizedUNet):
        raise FormatError("this network is already optimized; pass the original network")
    check_dtype(dtype)
    source = unwrap_compiled(model)
    if any(tensor.is_meta for tensor in source.state_dict().values()):
        raise FormatError("this network is on the meta device and has no weights; build it on another device")
    on_cpu = next(source.parameters()).device.type == "cpu"
    if compile and on_cpu and not any(shutil.which(name) for name in ("g++", "clang++", "c++", "cl")):
        raise FormatError("compile=True needs a C++ compiler, but none was found; install g++, or omit compile=True")
    _check_copyable(source)
    network = deepcopy(source).eval()
    for parameter in network.parameters():
        parameter.requires_grad = False
    return OptimizedUNet(network, dtype, channels_last=channels_last, compiled=compile).eval()


def _check_copyable(model: UNet) -> None:
    """Raise FormatError if a weight is computed from other weights, since torch cannot copy it."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and not value.is_leaf:
                raise FormatError(
                    f"{path}.{name} is computed from other weights, as by nn.utils.weight_norm, and cannot be copied; "
                    "call nn.utils.remove_weight_norm, or use nn.utils.parametrizations.weight_norm"
                )
