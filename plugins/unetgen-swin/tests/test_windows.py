"""Compare window attention with its definition, pixel by pixel, and with timm."""

from __future__ import annotations

from itertools import product
from types import ModuleType

import pytest
import torch
from torch import Tensor
from unetgen_swin.layers import DropPath
from unetgen_swin.windows import (
    Swin,
    WindowAttention,
    label_regions,
    merge_windows,
    pad_and_roll,
    partition_windows,
    unroll,
)

Pixel = tuple[int, ...]

# Sizes and windows; windows are not shifted on axes where they are at least as long as the map.
DIVIDED = [((12,), (4,)), ((4,), (4,)), ((6, 8), (3, 4)), ((4, 6), (4, 2)), ((4, 3, 4), (2, 3, 2))]
UNDIVIDED = [((11,), (4,)), ((3,), (4,)), ((7, 10), (3, 4)), ((5, 3), (4, 4)), ((5, 4, 3), (2, 4, 2))]
MAPS = [(*case, False) for case in DIVIDED] + [(*case, True) for case in DIVIDED + UNDIVIDED]


def window_of(pixel: Pixel, size: Pixel, window: Pixel, shifted: bool) -> Pixel:
    """Return the index of a pixel's window, in a grid that is offset by half a window if shifted."""
    offsets = [w // 2 if shifted and n > w else 0 for n, w in zip(size, window, strict=True)]
    return tuple((p - s) // w for p, s, w in zip(pixel, offsets, window, strict=True))


def pixels(size: Pixel) -> list[Pixel]:
    return list(product(*map(range, size)))


def attention(window: Pixel, shifted: bool, pads: bool) -> WindowAttention:
    torch.manual_seed(3)
    layer = WindowAttention(8, 2, window, bias=True, shifted=shifted, has_padding=pads).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer


def apply_by_definition(layer: WindowAttention, x: Tensor, shifted: bool) -> Tensor:
    """Compute window attention by its definition, pixel by pixel and head by head."""
    size, own = x.shape[1:-1], layer.attention
    queries, keys, values = own.qkv(x[0]).unflatten(-1, (3, own.heads, own.head_dim)).unbind(-3)
    output = torch.empty_like(x[0])
    for query in pixels(size):
        window = window_of(query, size, layer.window, shifted)
        others = [p for p in pixels(size) if window_of(p, size, layer.window, shifted) == window]
        heads = []
        for head in range(own.heads):
            scores = [
                queries[query][head] @ keys[p][head] / own.head_dim**0.5 + bias_of(layer, query, p)[head]
                for p in others
            ]
            weights = torch.stack(scores).softmax(0)
            heads.append(sum(w * values[p][head] for w, p in zip(weights, others, strict=True)))
        output[query] = own.project(torch.cat(heads))
    return output[None]


def bias_of(layer: WindowAttention, query: Pixel, key: Pixel) -> Tensor:
    """Return the learned bias of two pixels, by their offset."""
    table = layer.table.reshape(*(2 * w - 1 for w in layer.window), -1)
    return table[tuple(a - b + w - 1 for a, b, w in zip(query, key, layer.window, strict=True))]


@torch.no_grad()
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("size", "window", "pads"), MAPS)
def test_attention_equals_its_definition(size: Pixel, window: Pixel, pads: bool, shifted: bool) -> None:
    layer = attention(window, shifted, pads)
    x = torch.randn(1, *size, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), apply_by_definition(layer, x, shifted), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("size", "window"), DIVIDED + UNDIVIDED)
def test_mask_restricts_a_pixel_to_its_window_of_the_unshifted_map(size: Pixel, window: Pixel) -> None:
    counts = [-(-n // w) for n, w in zip(size, window, strict=True)]
    padded_size = [count * w for count, w in zip(counts, window, strict=True)]
    shift = [min(w // 2, n - w) for n, w in zip(padded_size, window, strict=True)]
    numbers = torch.arange(len(pixels(size))).reshape(1, *size, 1)
    indices = partition_windows(pad_and_roll(numbers, size, padded_size, shift), counts, window)[0, ..., 0]
    labels = partition_windows(
        label_regions(size, padded_size, shift, torch.device("cpu"))[None, ..., None], counts, window
    )[0, ..., 0]
    allowed = {
        (pixels(size)[indices[w, i]], pixels(size)[indices[w, j]])
        for w, i, j in (labels[:, :, None] == labels[:, None, :]).nonzero().tolist()
        if labels[w, i] >= 0
    }
    expected = {
        (query, key)
        for query, key in product(pixels(size), repeat=2)
        if window_of(query, size, window, shifted=True) == window_of(key, size, window, shifted=True)
    }
    assert allowed == expected


@pytest.mark.parametrize(("size", "window"), DIVIDED + UNDIVIDED)
def test_rolling_and_partitioning_are_inverted(size: Pixel, window: Pixel) -> None:
    counts = [-(-n // w) for n, w in zip(size, window, strict=True)]
    padded_size = [count * w for count, w in zip(counts, window, strict=True)]
    shift = [min(1, n - w) for n, w in zip(padded_size, window, strict=True)]
    x = torch.randn(2, *size, 3)
    windows = partition_windows(pad_and_roll(x, size, padded_size, shift), counts, window)
    assert torch.equal(unroll(merge_windows(windows, counts, window), size, padded_size, shift), x)


def swin(window: Pixel, repeats: int = 2, channels: int = 16, **more: object) -> Swin:
    options = {"heads": 4, "mlp_ratio": 2.0, "qkv_bias": True, "drop_path": 0.0, "shift": True, "fit": "exact", **more}
    return Swin(channels=channels, repeats=repeats, window=window, **options)


def test_windows_are_shifted_in_every_second_layer() -> None:
    assert [layer.mixer.shift for layer in swin((4, 3), repeats=4)] == [(0, 0), (2, 1), (0, 0), (2, 1)]
    assert [layer.mixer.shift for layer in swin((4, 3), shift=False)] == [(0, 0), (0, 0)]


THEIRS = {
    "mixer.table": "attn.relative_position_bias_table", "mixer.attention.qkv": "attn.qkv",
    "mixer.attention.project": "attn.proj", "mlp.0": "mlp.fc1", "mlp.3": "mlp.fc2", "norm1": "norm1", "norm2": "norm2",
}  # fmt: skip


def their_name(key: str) -> str:
    ours = next(name for name in THEIRS if key.startswith(name))
    return THEIRS[ours] + key.removeprefix(ours)


@torch.no_grad()
@pytest.mark.parametrize("size", [(12, 8), (4, 8), (4, 4)])
def test_layers_equal_those_of_timm(timm_swin: ModuleType, size: Pixel) -> None:
    ours = swin((4, 4))
    theirs = torch.nn.Sequential(
        *(timm_swin.SwinTransformerBlock(16, size, 4, window_size=4, shift_size=s, mlp_ratio=2.0) for s in (0, 2))
    )
    for mine, other in zip(ours, theirs, strict=True):
        for parameter in mine.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        state = {their_name(key): value for key, value in mine.state_dict().items()}
        missing = other.load_state_dict(state, strict=False)
        assert (missing.missing_keys, missing.unexpected_keys) == ([], [])
    x = torch.randn(2, 16, *size)
    torch.testing.assert_close(ours(x), theirs(x.movedim(1, -1)).movedim(-1, 1), atol=1e-5, rtol=1e-5)


def test_drop_path_drops_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25)
    dropped = drop(torch.ones(4000, 3, 2))
    values = dropped.flatten(1)
    assert values.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert (values == values[:, :1]).all()
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(drop.eval()(values), values)
