"""Define a vision transformer over the pixels of a map."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetgen_swin.layers import SelfAttention, TransformerLayer, initialize_linear


class VisionTransformer(nn.Module):
    """A vision transformer with a final layer norm, (batch, channels, *size) -> the same.

    ``size`` is the spatial size for learned positions, the only one that is accepted, or None.
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
            expected, actual = (" x ".join(map(str, pixels)) for pixels in (self.size, size))
            hint = "use that size, or position: sincos or none"
            raise ValueError(f"the map must have {expected} pixels for its learned positions, not {actual}; {hint}")
        if self.is_sincos:
            x = x + build_sincos_positions(x.shape[1], size, x)
        tokens = x.flatten(2).mT
        if self.position is not None:
            tokens = tokens + self.position
        tokens = cast(Tensor, self.norm(self.layers(self.dropout(tokens))))
        return tokens.mT.reshape(x.shape)


def build_sincos_positions(channels: int, size: Sequence[int], like: Tensor) -> Tensor:
    """Build position embeddings of sines and cosines along each axis.

    Each axis has the same number of channels, half of them sines, with wavelengths from 2 pi to 10000 times that
    (Vaswani et al. 2017); remaining channels are zero.

    Args:
        channels: The number of channels.
        size: The spatial size.
        like: A tensor whose data type and device are used.

    Returns:
        The embeddings, (channels, *size).
    """
    dims, count = len(size), channels // (2 * len(size))
    steps = torch.arange(count, dtype=like.dtype, device=like.device)
    frequencies = 10_000.0 ** (-steps / max(count - 1, 1))
    embeddings = []
    for axis, n in enumerate(size):
        angles = torch.arange(n, dtype=like.dtype, device=like.device) * frequencies.unsqueeze(1)
        along_axis = torch.cat((angles.sin(), angles.cos()))
        shape = (2 * count, *(1,) * axis, n, *(1,) * (dims - axis - 1))
        embeddings.append(along_axis.reshape(shape).expand(-1, *size))
    return F.pad(torch.cat(embeddings), (0, 0) * dims + (0, channels - 2 * count * dims))
