"""Windows: what a pixel attends to, held against the definition pixel by pixel, and against timm."""

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

# Sizes and windows; on some axes the window is as long as the map or longer, so that nothing is shifted there.
DIVIDED = [((12,), (4,)), ((4,), (4,)), ((6, 8), (3, 4)), ((4, 6), (4, 2)), ((4, 3, 4), (2, 3, 2))]
UNDIVIDED = [((11,), (4,)), ((3,), (4,)), ((7, 10), (3, 4)), ((5, 3), (4, 4)), ((5, 4, 3), (2, 4, 2))]
MAPS = [(*case, False) for case in DIVIDED] + [(*case, True) for case in DIVIDED + UNDIVIDED]


def cell(pixel: Pixel, size: Pixel, window: Pixel, shifted: bool) -> Pixel:
    """The window of a pixel: a grid over the map, half a window further on where it is shifted."""
    moved = [w // 2 if shifted and n > w else 0 for n, w in zip(size, window, strict=True)]
    return tuple((p - s) // w for p, s, w in zip(pixel, moved, window, strict=True))


def pixels(size: Pixel) -> list[Pixel]:
    return list(product(*map(range, size)))


def attention(window: Pixel, shifted: bool, pads: bool) -> WindowAttention:
    torch.manual_seed(3)
    made = WindowAttention(8, 2, window, bias=True, shifted=shifted, has_padding=pads).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def by_pixels(layer: WindowAttention, x: Tensor, shifted: bool) -> Tensor:
    """Window attention by its definition, one pixel and one head after the other."""
    size, own = x.shape[1:-1], layer.attention
    queries, keys, values = own.qkv(x[0]).unflatten(-1, (3, own.heads, own.head_dim)).unbind(-3)
    made = torch.empty_like(x[0])
    for here in pixels(size):
        there = [
            p for p in pixels(size) if cell(p, size, layer.window, shifted) == cell(here, size, layer.window, shifted)
        ]
        heads = []
        for head in range(own.heads):
            scores = [
                queries[here][head] @ keys[p][head] / own.head_dim**0.5 + bias_of(layer, here, p)[head] for p in there
            ]
            weights = torch.stack(scores).softmax(0)
            heads.append(sum(w * values[p][head] for w, p in zip(weights, there, strict=True)))
        made[here] = own.project(torch.cat(heads))
    return made[None]


def bias_of(layer: WindowAttention, here: Pixel, there: Pixel) -> Tensor:
    """The learned bias of two pixels, by how far they lie apart."""
    table = layer.table.reshape(*(2 * w - 1 for w in layer.window), -1)
    return table[tuple(a - b + w - 1 for a, b, w in zip(here, there, layer.window, strict=True))]


@torch.no_grad()
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("size", "window", "pads"), MAPS)
def test_attention_is_its_definition(size: Pixel, window: Pixel, pads: bool, shifted: bool) -> None:
    layer = attention(window, shifted, pads)
    x = torch.randn(1, *size, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), by_pixels(layer, x, shifted), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("size", "window"), DIVIDED + UNDIVIDED)
def test_the_mask_lets_a_pixel_see_its_own_window_of_the_unshifted_map(size: Pixel, window: Pixel) -> None:
    counts = [-(-n // w) for n, w in zip(size, window, strict=True)]
    whole = [count * w for count, w in zip(counts, window, strict=True)]
    shift = [min(w // 2, n - w) for n, w in zip(whole, window, strict=True)]
    numbers = torch.arange(len(pixels(size))).reshape(1, *size, 1)
    where = partition_windows(pad_and_roll(numbers, size, whole, shift), counts, window)[0, ..., 0]
    own = partition_windows(label_regions(size, whole, shift, torch.device("cpu"))[None, ..., None], counts, window)[
        0, ..., 0
    ]
    seen = {
        (pixels(size)[where[w, i]], pixels(size)[where[w, j]])
        for w, i, j in (own[:, :, None] == own[:, None, :]).nonzero().tolist()
        if own[w, i] >= 0
    }
    expected = {
        (here, there)
        for here, there in product(pixels(size), repeat=2)
        if cell(here, size, window, shifted=True) == cell(there, size, window, shifted=True)
    }
    assert seen == expected


@pytest.mark.parametrize(("size", "window"), DIVIDED + UNDIVIDED)
def test_rolling_and_splitting_are_undone(size: Pixel, window: Pixel) -> None:
    counts = [-(-n // w) for n, w in zip(size, window, strict=True)]
    whole = [count * w for count, w in zip(counts, window, strict=True)]
    shift = [min(1, n - w) for n, w in zip(whole, window, strict=True)]
    x = torch.randn(2, *size, 3)
    there = partition_windows(pad_and_roll(x, size, whole, shift), counts, window)
    assert torch.equal(unroll(merge_windows(there, counts, window), size, whole, shift), x)


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
def test_it_computes_what_timm_does(timm_swin: ModuleType, size: Pixel) -> None:
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


def test_a_dropped_branch_is_left_out_of_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25)
    dropped = drop(torch.ones(4000, 3, 2))
    values = dropped.flatten(1)
    assert values.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert (values == values[:, :1]).all()
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(drop.eval()(values), values)
