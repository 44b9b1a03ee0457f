"""Define Swin layers in any number of dimensions: attention inside alternating regular and shifted windows.

Sizes are read from the map at run time without branches on them, so one exported program supports every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor, nn

from unetgen_swin.layers import SelfAttention, TransformerLayer, initialize_linear


class Swin(nn.Sequential):
    """A sequence of Swin layers, (batch, channels, *size) -> the same; every second one has shifted windows."""

    def __init__(  # noqa: PLR0913  # the options of the block
        self,
        *,
        channels: int,
        repeats: int,
        heads: int,
        window: Sequence[int],
        mlp_ratio: float,
        qkv_bias: bool,
        drop_path: float,
        shift: bool,
        fit: str,
    ) -> None:
        mixers = [
            WindowAttention(
                channels, heads, window, bias=qkv_bias, shifted=shift and index % 2 == 1, has_padding=fit == "pad"
            )
            for index in range(repeats)
        ]
        super().__init__(*(TransformerLayer(mixer, channels, mlp_ratio, drop_path=drop_path) for mixer in mixers))
        self.apply(initialize_linear)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1)
        for layer in self:
            x = layer(x)
        return x.movedim(-1, 1)


class WindowAttention(nn.Module):
    """Self-attention inside each window, (batch, *size, channels) -> the same.

    Shifted windows are offset by half a window. The map is rolled, so that the parts of windows beyond opposite borders
    share one window in the batch, and a mask prevents attention between them. The mask also excludes padding.
    """

    def __init__(
        self, channels: int, heads: int, window: Sequence[int], *, bias: bool, shifted: bool, has_padding: bool
    ) -> None:  # fmt: skip
        super().__init__()
        self.window = tuple(window)
        self.shift = tuple(n // 2 if shifted else 0 for n in window)
        self.uses_mask = has_padding or any(self.shift)
        self.attention = SelfAttention(channels, heads, bias)
        self.table = nn.Parameter(torch.empty(prod(2 * n - 1 for n in window), heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        self.index: Tensor
        self.register_buffer("index", build_relative_index(self.window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[1:-1]
        counts = [-(-n // w) for n, w in zip(size, self.window, strict=True)]
        padded_size = [count * w for count, w in zip(counts, self.window, strict=True)]
        # An axis with a single window is not shifted; a longer one has at least two windows.
        shift = [_min_size(s, n - w) for s, n, w in zip(self.shift, padded_size, self.window, strict=True)]
        if self.uses_mask:
            x = pad_and_roll(x, size, padded_size, shift)
        windows = self.attention(
            partition_windows(x, counts, self.window), self._build_bias(size, padded_size, shift, counts)
        )
        x = merge_windows(windows, counts, self.window)
        return unroll(x, size, padded_size, shift) if self.uses_mask else x

    def _build_bias(
        self, size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int], counts: Sequence[int]
    ) -> Tensor:
        """Return the bias and mask that are added to the scores, ([windows,] heads, tokens, tokens)."""
        bias = self.table[self.index].movedim(-1, 0)
        if not self.uses_mask:
            return bias
        regions = label_regions(size, padded_size, shift, bias.device)
        labels = partition_windows(regions[None, ..., None], counts, self.window)[0]
        return bias.masked_fill((labels != labels.mT).unsqueeze(1), -torch.inf)

    def extra_repr(self) -> str:
        return f"window={self.window}, shift={self.shift}, uses_mask={self.uses_mask}"


def pad_and_roll(x: Tensor, size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int]) -> Tensor:
    """Pad a map at its end and roll it towards its start.

    The padding repeats the last pixel, which is masked.

    Args:
        x: The map, (batch, *size, channels).
        size: The spatial size.
        padded_size: The spatial size with padding.
        shift: The shift along each axis in pixels.

    Returns:
        The map, (batch, *padded_size, channels).
    """
    for axis, (n, padded, shifted) in enumerate(zip(size, padded_size, shift, strict=True), 1):
        index = (torch.arange(padded, device=x.device) + shifted) % padded
        x = x.index_select(axis, index.clamp(max=n - 1))
    return x


def unroll(x: Tensor, size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int]) -> Tensor:
    """Roll a map back and remove its padding; the inverse of ``pad_and_roll``."""
    for axis, (n, padded, shifted) in enumerate(zip(size, padded_size, shift, strict=True), 1):
        x = x.index_select(axis, (torch.arange(n, device=x.device) - shifted) % padded)
    return x


def label_regions(
    size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int], device: torch.device
) -> Tensor:
    """Label the pixels of a rolled map so that only pixels of one label in a window attend to each other.

    On each axis, the last ``shift`` pixels were rolled over the border.

    Args:
        size: The spatial size.
        padded_size: The spatial size with padding.
        shift: The shift along each axis in pixels.
        device: The device of the labels.

    Returns:
        The labels, (*padded_size), which are -1 for padding.
    """
    label = torch.zeros((), dtype=torch.long, device=device)
    is_padding = torch.zeros((), dtype=torch.bool, device=device)
    for n, padded, shifted in zip(size, padded_size, shift, strict=True):
        position = torch.arange(padded, device=device)
        label = 2 * label.unsqueeze(-1) + (position >= padded - shifted)
        is_padding = is_padding.unsqueeze(-1) | ((position + shifted) % padded >= n)
    return label.masked_fill(is_padding, -1)


def partition_windows(x: Tensor, counts: Sequence[int], window: Sequence[int]) -> Tensor:
    """Split a map into windows, (batch, *size, channels) -> (batch, windows, tokens, channels).

    ``counts`` is the number of windows along each axis.
    """
    dims = len(window)
    split_shape = [n for pair in zip(counts, window, strict=True) for n in pair]
    x = x.reshape(x.shape[0], *split_shape, x.shape[-1])
    x = x.permute(0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), -1)
    return x.flatten(dims + 1, 2 * dims).flatten(1, dims)


def merge_windows(x: Tensor, counts: Sequence[int], window: Sequence[int]) -> Tensor:
    """Merge windows into a map; the inverse of ``partition_windows``."""
    dims = len(window)
    x = x.reshape(x.shape[0], *counts, *window, x.shape[-1])
    x = x.permute(0, *(axis for i in range(1, dims + 1) for axis in (i, dims + i)), -1)
    return x.reshape(x.shape[0], *(n * w for n, w in zip(counts, window, strict=True)), x.shape[-1])


def _min_size(first: int, second: int) -> int:
    """Return the smaller of two sizes, which may be symbolic while torch traces."""
    return cast(int, torch.sym_min(first, second))  # type: ignore[no-untyped-call]


def build_relative_index(window: Sequence[int]) -> Tensor:
    """Return the row of the bias table for each pair of a window's pixels, (tokens, tokens), by their offset."""
    positions = torch.cartesian_prod(*(torch.arange(n) for n in window)).reshape(-1, len(window))
    index = torch.zeros((), dtype=torch.long)
    for axis, n in enumerate(window):
        offset = positions[:, None, axis] - positions[None, :, axis]
        index = index * (2 * n - 1) + offset + n - 1
    return index
