"""Layers over whole feature maps or channels: poolings, gates and stochastic depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GlobalPool(nn.Module):
    """(batch, c, *size) -> (batch, c, 1, ...): the mean or the maximum of each channel."""

    def __init__(self, statistic: str) -> None:
        super().__init__()
        self.statistic = statistic

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.dim()))
        return x.mean(axes, keepdim=True) if self.statistic == "mean" else x.amax(axes, keepdim=True)

    def extra_repr(self) -> str:
        return f"statistic={self.statistic!r}"


class ChannelPool(nn.Module):
    """(batch, c, *size) -> (batch, 1, *size): the mean or the maximum of each pixel's channels."""

    def __init__(self, statistic: str) -> None:
        super().__init__()
        self.statistic = statistic

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1, keepdim=True) if self.statistic == "mean" else x.amax(1, keepdim=True)

    def extra_repr(self) -> str:
        return f"statistic={self.statistic!r}"


class ChannelConv(nn.Module):
    """A convolution along the channels of a pooled map, (batch, c, 1, ...) -> the same; ``kernel_size`` is odd."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.zeros(1, 1, kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        row = F.conv1d(x.flatten(1).unsqueeze(1), self.weight, padding=self.kernel_size // 2)
        return row.reshape(x.shape)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}"


class ChannelScale(nn.Module):
    """A learned factor for each channel, initially ``start``."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.full((channels,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.reshape(1, -1, *(1,) * (x.dim() - 2))

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, start={self.start}"


class SimpleGate(nn.Module):
    """(batch, c, *size) -> (batch, c / 2, *size): the first half of the channels times the second."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        return first * second


class DropPath(nn.Module):
    """Zeroes whole samples of a branch in training and rescales the others (Huang et al. 2016)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = torch.full((x.shape[0], *(1,) * (x.dim() - 1)), 1 - self.p, dtype=x.dtype, device=x.device)
        return x * torch.bernoulli(keep) / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"
