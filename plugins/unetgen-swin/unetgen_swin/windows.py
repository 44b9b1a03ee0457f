"""Swin layers in any number of dimensions: attention inside windows, regular and shifted ones in turn.

Sizes are taken from the map at run time, without a branch on them, so that one exported program serves every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import cast

import torch
from torch import Tensor, nn

from unetgen_swin.layers import SelfAttention, TransformerLayer, initialize_linear


class Swin(nn.Sequential):
    """So many layers, (batch, channels, *size) -> the same; windows are shifted in every second one."""

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
                channels, heads, window, bias=qkv_bias, shifted=shift and number % 2 == 1, has_padding=fit == "pad"
            )
            for number in range(repeats)
        ]
        super().__init__(*(TransformerLayer(mixer, channels, mlp_ratio, drop_path=drop_path) for mixer in mixers))
        self.apply(initialize_linear)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1)
        for layer in self:
            x = layer(x)
        return x.movedim(-1, 1)


class WindowAttention(nn.Module):
    """Attention of the pixels of each window to each other, (batch, *size, channels) -> the same.

    A shifted window lies half a window further on, and what it has beyond the border is a window of its own: the map
    is rolled, so that the two share a place in the batch, and a mask keeps them apart. Where sizes are padded the
    mask keeps the padding apart too.
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
        whole = [count * w for count, w in zip(counts, self.window, strict=True)]
        # What is one window long is not shifted; anything longer is at least two windows.
        shift = [_min_size(s, n - w) for s, n, w in zip(self.shift, whole, self.window, strict=True)]
        if self.uses_mask:
            x = pad_and_roll(x, size, whole, shift)
        windows = self.attention(
            partition_windows(x, counts, self.window), self._build_bias(size, whole, shift, counts)
        )
        x = merge_windows(windows, counts, self.window)
        return unroll(x, size, whole, shift) if self.uses_mask else x

    def _build_bias(
        self, size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int], counts: Sequence[int]
    ) -> Tensor:
        """What is added to the scores, ([windows,] heads, tokens, tokens)."""
        bias = self.table[self.index].movedim(-1, 0)
        if not self.uses_mask:
            return bias
        own = partition_windows(
            label_regions(size, padded_size, shift, bias.device)[None, ..., None], counts, self.window
        )[0]
        return bias.masked_fill((own != own.mT).unsqueeze(1), -torch.inf)

    def extra_repr(self) -> str:
        return f"window={self.window}, shift={self.shift}, masks={self.uses_mask}"


def pad_and_roll(x: Tensor, size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int]) -> Tensor:
    """A map padded at its end and rolled towards its start, (batch, *size, channels) -> (batch, *whole, channels).

    What is padded is the last pixel again: nobody looks at it.
    """
    for axis, (n, padded, shifted) in enumerate(zip(size, padded_size, shift, strict=True), 1):
        place = (torch.arange(padded, device=x.device) + shifted) % padded
        x = x.index_select(axis, place.clamp(max=n - 1))
    return x


def unroll(x: Tensor, size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int]) -> Tensor:
    """The pixels back in their places, without the padding; undoes ``rolled``."""
    for axis, (n, padded, shifted) in enumerate(zip(size, padded_size, shift, strict=True), 1):
        x = x.index_select(axis, (torch.arange(n, device=x.device) - shifted) % padded)
    return x


def label_regions(
    size: Sequence[int], padded_size: Sequence[int], shift: Sequence[int], device: torch.device
) -> Tensor:
    """Which part of its window each pixel of the rolled map belongs to, a number for each; -1 for the padding.

    ``whole`` is the padded size. On each axis the last ``shift`` pixels came over the border.
    """
    number = torch.zeros((), dtype=torch.long, device=device)
    padding = torch.zeros((), dtype=torch.bool, device=device)
    for n, padded, shifted in zip(size, padded_size, shift, strict=True):
        place = torch.arange(padded, device=device)
        number = 2 * number.unsqueeze(-1) + (place >= padded - shifted)
        padding = padding.unsqueeze(-1) | ((place + shifted) % padded >= n)
    return number.masked_fill(padding, -1)


def partition_windows(x: Tensor, counts: Sequence[int], window: Sequence[int]) -> Tensor:
    """A map as its windows, (batch, *size, channels) -> (batch, windows, tokens, channels)."""
    dims = len(window)
    pairs = [n for pair in zip(counts, window, strict=True) for n in pair]
    x = x.reshape(x.shape[0], *pairs, x.shape[-1])
    x = x.permute(0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), -1)
    return x.flatten(dims + 1, 2 * dims).flatten(1, dims)


def merge_windows(x: Tensor, counts: Sequence[int], window: Sequence[int]) -> Tensor:
    """Windows as the map that they are of; undoes ``split``."""
    dims = len(window)
    x = x.reshape(x.shape[0], *counts, *window, x.shape[-1])
    x = x.permute(0, *(axis for i in range(1, dims + 1) for axis in (i, dims + i)), -1)
    return x.reshape(x.shape[0], *(n * w for n, w in zip(counts, window, strict=True)), x.shape[-1])


def _min_size(first: int, second: int) -> int:
    """The smaller of two sizes, of which torch may be tracing one."""
    return cast(int, torch.sym_min(first, second))  # type: ignore[no-untyped-call]


def build_relative_index(window: Sequence[int]) -> Tensor:
    """The row of the table for each pair of a window's pixels, by how far they lie apart on each axis."""
    places = torch.cartesian_prod(*(torch.arange(n) for n in window)).reshape(-1, len(window))
    index = torch.zeros((), dtype=torch.long)
    for axis, n in enumerate(window):
        apart = places[:, None, axis] - places[None, :, axis]
        index = index * (2 * n - 1) + apart + n - 1
    return index
