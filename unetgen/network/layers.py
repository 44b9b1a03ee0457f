"""Layers that torch has no module for. Only ``ChannelLayerNorm`` has parameters.

Sizes are read from the tensors at run time, without branches on them, so that one exported program serves every size
that fits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Concat(nn.Module):
    """(batch, c_i, *size) each -> (batch, sum of c_i, *size)."""

    def forward(self, *maps: Tensor) -> Tensor:
        return torch.cat(maps, dim=1)


class SelectOutput(nn.Module):
    """Selects one of several values."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, values: Sequence[Tensor]) -> Tensor:
        return values[self.index]

    def extra_repr(self) -> str:
        return str(self.index)


class Add(nn.Module):
    """The sum of feature maps of equal shape."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = first + other
        return first


class Multiply(nn.Module):
    """The product of feature maps of equal shape."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = first * other
        return first


class MaxPool1d(nn.MaxPool1d):
    """``nn.MaxPool1d`` that can be exported for several lengths.

    torch exports its own version for one length only. The version with indices has no such limit but is many times
    slower, so it runs only during tracing.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            pooled: Tensor = super().forward(x)
            return pooled
        result: tuple[Tensor, Tensor] = torch.max_pool1d_with_indices(
            x, self.kernel_size, self.stride, ceil_mode=self.ceil_mode
        )
        return result[0]


class CropTo(nn.Module):
    """Crops a map to the size of another, at the centre or the start; an odd excess pixel is cut at the end."""

    def __init__(self, place: str = "centre") -> None:
        super().__init__()
        self.place = place

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        for axis in range(2, x.dim()):
            size = other.shape[axis]
            x = x.narrow(axis, (x.shape[axis] - size) // 2 if self.place == "centre" else 0, size)
        return x

    def extra_repr(self) -> str:
        return "" if self.place == "centre" else f"place={self.place!r}"


class PadTo(nn.Module):
    """Pads a map on both sides to the size of another; an odd pixel goes to the end."""

    def __init__(self, mode: str = "zeros") -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        missing = [other.shape[axis] - x.shape[axis] for axis in range(2, x.dim())]
        if not torch.compiler.is_compiling() and not any(missing):
            return x  # F.pad would copy it
        return _pad(x, [n // 2 for n in missing], [n - n // 2 for n in missing], self.mode)

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}"


class Maximum(nn.Module):
    """The elementwise maximum of two feature maps."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.maximum(first, second)


class Pad(nn.Module):
    """Pads a map by ``before`` and ``after`` pixels at the ends of each axis."""

    def __init__(self, before: Sequence[int], after: Sequence[int], mode: str = "zeros") -> None:
        super().__init__()
        self.before = tuple(before)
        self.after = tuple(after)
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return _pad(x, self.before, self.after, self.mode)

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}, mode={self.mode!r}"


class PadToMultiple(nn.Module):
    """Pads a map to the next multiple of a size, at both ends or at the end."""

    def __init__(self, multiple: Sequence[int], mode: str, place: str) -> None:
        super().__init__()
        self.multiple = tuple(multiple)
        self.mode = mode
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        missing = [-size % multiple for size, multiple in zip(x.shape[2:], self.multiple, strict=True)]
        if not torch.compiler.is_compiling() and not any(missing):
            return x  # F.pad would copy it
        before = [n // 2 if self.place == "both" else 0 for n in missing]
        return _pad(x, before, [n - b for n, b in zip(missing, before, strict=True)], self.mode)

    def extra_repr(self) -> str:
        return f"multiple={self.multiple}, mode={self.mode!r}, place={self.place!r}"


class ResizeTo(nn.Module):
    """Interpolates a map to the size of another."""

    def __init__(self, mode: str, align_corners: bool | None = None) -> None:
        super().__init__()
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return F.interpolate(x, size=other.shape[2:], mode=self.mode, align_corners=self.align_corners)

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}, align_corners={self.align_corners}"


class PixelShuffle(nn.Module):
    """Pixel shuffle in any number of dimensions: (batch, c * prod(f), *size) -> (batch, c, *(size * f))."""

    def __init__(self, factor: Sequence[int]) -> None:
        super().__init__()
        self.factor = tuple(factor)

    def forward(self, x: Tensor) -> Tensor:
        dims, size = len(self.factor), x.shape[2:]
        x = torch.unflatten(x, 1, (-1, *self.factor))
        order = [axis for i in range(dims) for axis in (2 + dims + i, 2 + i)]
        x = x.permute(0, 1, *order)
        return x.reshape(x.shape[0], x.shape[1], *(n * f for n, f in zip(size, self.factor, strict=True)))

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


class ChannelLayerNorm(nn.Module):
    """Layer norm over the channels of each pixel."""

    def __init__(self, channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1)
        return F.layer_norm(x, (self.channels,), self.weight, self.bias, self.eps).movedim(-1, 1)

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}, affine={self.weight is not None}"


def _pad(x: Tensor, before: Sequence[int], after: Sequence[int], mode: str) -> Tensor:
    # torch lists axes from the last, and calls zero padding 'constant'.
    amounts = [n for axis in reversed(range(len(before))) for n in (before[axis], after[axis])]
    return F.pad(x, amounts, mode="constant" if mode == "zeros" else mode)
