"""A vision transformer over the pixels of a map."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetgen_swin.layers import SelfAttention, TransformerLayer, initialize_linear


class VisionTransformer(nn.Module):
    """Positions, layers and a last norm, (batch, channels, *size) -> the same.

    With learned positions ``size`` is the one that it takes.
    """

    def __init__(  # the options of the block
        self,
        channels: int,
        layers: int,
        heads: int,
        mlp_ratio: float,
        dropout: float,
        position: str,
        size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.is_sincos = position == "sincos"
        self.size = tuple(size or ())
        self.position = nn.Parameter(torch.empty(prod(size), channels)) if size else None
        if self.position is not None:
            nn.init.trunc_normal_(self.position, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            *(TransformerLayer(SelfAttention(channels, heads), channels, mlp_ratio, dropout) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(channels)
        self.apply(initialize_linear)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        if self.size and tuple(size) != self.size:
            made, given = (" x ".join(map(str, pixels)) for pixels in (self.size, size))
            way_out = "give it the size it was made for, or make it with sincos or none"
            raise ValueError(f"the positions were learned for {made} pixels, and this map has {given}; {way_out}")
        if self.is_sincos:
            x = x + build_sincos_positions(x.shape[1], size, x)
        tokens = x.flatten(2).mT
        if self.position is not None:
            tokens = tokens + self.position
        tokens = cast(Tensor, self.norm(self.layers(self.dropout(tokens))))
        return tokens.mT.reshape(x.shape)


def build_sincos_positions(channels: int, size: Sequence[int], like: Tensor) -> Tensor:
    """Sines and cosines along each axis, (channels, *size), in the type and on the device of ``like``.

    Each axis has as many channels, half of them sines, with wavelengths from 2 pi to 10000 times that
    (Vaswani et al. 2017); channels that are left over are zero.
    """
    dims, count = len(size), channels // (2 * len(size))
    steps = torch.arange(count, dtype=like.dtype, device=like.device)
    speeds = 10_000.0 ** (-steps / max(count - 1, 1))
    made = []
    for axis, n in enumerate(size):
        angles = torch.arange(n, dtype=like.dtype, device=like.device) * speeds.unsqueeze(1)
        along = torch.cat((angles.sin(), angles.cos()))
        made.append(along.reshape(2 * count, *(1,) * axis, n, *(1,) * (dims - axis - 1)).expand(-1, *size))
    return F.pad(torch.cat(made), (0, 0) * dims + (0, channels - 2 * count * dims))
