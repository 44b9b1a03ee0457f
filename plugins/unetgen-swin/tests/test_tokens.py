"""Compare the vision transformer with torch's layers, and test its positions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from unetgen_swin.layers import SelfAttention, TransformerLayer
from unetgen_swin.tokens import VisionTransformer, build_sincos_positions

# Our parameter names and those of torch's layer.
THEIRS = {
    "mixer.qkv.weight": "self_attn.in_proj_weight", "mixer.qkv.bias": "self_attn.in_proj_bias",
    "mixer.project.weight": "self_attn.out_proj.weight", "mixer.project.bias": "self_attn.out_proj.bias",
    "mlp.0.weight": "linear1.weight", "mlp.0.bias": "linear1.bias", "mlp.3.weight": "linear2.weight",
    "mlp.3.bias": "linear2.bias",
}  # fmt: skip


def randomised(module: nn.Module) -> nn.Module:
    torch.manual_seed(5)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def encoder_layer(layer: TransformerLayer, channels: int, heads: int, wide: int) -> nn.Module:
    theirs = nn.TransformerEncoderLayer(
        channels, heads, wide, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    theirs.load_state_dict({THEIRS.get(key, key): value for key, value in layer.state_dict().items()})
    return theirs.double()


def test_layer_equals_torchs() -> None:
    layer = randomised(TransformerLayer(SelfAttention(24, 3), 24, 2.5)).double()
    theirs = encoder_layer(layer, 24, 3, 60)
    x = torch.randn(2, 7, 24, dtype=torch.float64)
    torch.testing.assert_close(layer(x), theirs(x), rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_block_is_positions_layers_and_a_norm() -> None:
    model = randomised(VisionTransformer(16, 3, 2, 2.0, 0.0, "learned", (3, 4))).double()
    x = torch.randn(2, 16, 3, 4, dtype=torch.float64)
    tokens = x.flatten(2).mT + model.position
    for layer in model.layers:
        tokens = encoder_layer(layer, 16, 2, 32)(tokens)
    tokens = nn.functional.layer_norm(tokens, (16,), model.norm.weight, model.norm.bias)
    torch.testing.assert_close(model(x), tokens.mT.reshape(x.shape), rtol=1e-10, atol=1e-10)


def apply_permuted(model: nn.Module, x: Tensor, order: Tensor) -> Tensor:
    return model(x.flatten(2)[..., order].reshape(x.shape)).flatten(2)


@torch.no_grad()
@pytest.mark.parametrize(("position", "same"), [("none", True), ("sincos", False), ("learned", False)])
def test_only_positions_distinguish_pixels(position: str, same: bool) -> None:
    model = randomised(VisionTransformer(16, 1, 2, 2.0, 0.0, position, (3, 4) if position == "learned" else None))
    x, order = torch.randn(1, 16, 3, 4), torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(apply_permuted(model, x, order), model(x).flatten(2)[..., order], atol=1e-5) == same


def test_learned_positions_have_one_size() -> None:
    model = VisionTransformer(16, 1, 2, 2.0, 0.0, "learned", (3, 4))
    with pytest.raises(ValueError, match="positions") as error:
        model(torch.zeros(1, 16, 4, 3))
    assert str(error.value) == (
        "the map must have 3 x 4 pixels for its learned positions, not 4 x 3; use that size, "
        "or position: sincos or none"
    )


@pytest.mark.parametrize("size", [(5,), (3, 4), (2, 3, 4)])
def test_sincos_positions_equal_their_formula(size: tuple[int, ...]) -> None:
    channels = 6 * len(size) + 1
    embedding = build_sincos_positions(channels, size, torch.zeros((), dtype=torch.float64))
    assert embedding.shape == (channels, *size)
    pixel = tuple(n - 1 for n in size)
    expected = []
    for coordinate in pixel:
        angles = [coordinate / 10_000 ** (step / 2) for step in range(3)]
        expected += [*map(math.sin, angles), *map(math.cos, angles)]
    assert embedding[:, *pixel].tolist() == pytest.approx([*expected, 0.0])


def test_dropout_follows_positions_attention_and_both_layers_of_the_mlp() -> None:
    model = VisionTransformer(16, 2, 2, 2.0, 0.25, "none")
    applied: list[int] = []
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            assert module.p == 0.25
            module.register_forward_hook(lambda *_: applied.append(1))
    model(torch.zeros(1, 16, 2, 2))
    assert len(applied) == 1 + 2 * 3
