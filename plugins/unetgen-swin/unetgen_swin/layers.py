"""Define the layers that the transformers share, and their initialisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head self-attention, (..., tokens, channels) -> the same (Vaswani et al. 2017).

    It is two plain matrix products, because FlopCounterMode does not count torch's fused function on a CPU, and a
    network's cost must not depend on the device.
    """

    def __init__(self, channels: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.head_dim = channels // heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend to all tokens; ``bias`` is added to the scores, (..., heads, tokens, tokens)."""
        projected = self.qkv(x).unflatten(-1, (3, self.heads, self.head_dim))
        queries, keys, values = projected.movedim(-3, 0).transpose(-3, -2).unbind(0)
        scores = (queries * self.head_dim**-0.5) @ keys.mT
        if bias is not None:
            scores = scores + bias
        output: Tensor = self.project((scores.softmax(-1) @ values).transpose(-3, -2).flatten(-2))
        return output


class TransformerLayer(nn.Module):
    """A token mixer and an MLP, each with a layer norm before it and a residual connection."""

    def __init__(
        self, mixer: nn.Module, channels: int, mlp_ratio: float, dropout: float = 0.0, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        hidden_channels = max(int(channels * mlp_ratio), 1)
        self.norm1 = nn.LayerNorm(channels)
        self.mixer = mixer
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden_channels), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden_channels, channels)
        )
        self.dropout = nn.Dropout(dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.dropout(self.mixer(self.norm1(x))))
        output: Tensor = x + self.drop_path(self.dropout(self.mlp(self.norm2(x))))
        return output


class DropPath(nn.Module):
    """Drops a branch for random samples during training and rescales the others (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return x
        keep_rates = torch.full((x.shape[0], *(1,) * (x.dim() - 1)), 1 - self.rate, dtype=x.dtype, device=x.device)
        return x * torch.bernoulli(keep_rates) / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def initialize_linear(module: nn.Module) -> None:
    """Initialise a linear layer: weights from N(0, 0.02^2) truncated at 2, zero biases (Liu et al. 2021)."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
