"""Compare a network with another one that has equal weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from unetgen.analysis.cost import count_parameters
from unetgen.network.unet import UNet

EXAMPLES = Path(__file__).parent.parent / "examples"
STRIDES = (2, 2, 2, 2)
WIDTHS = [4, 8, 12, 16, 20]


def example(name: str) -> str:
    return str(EXAMPLES / f"{name}.yaml")


def with_random_weights(module: nn.Module) -> nn.Module:
    """Convert a module to float64, with random statistics and scales in place of constants."""
    module = module.double().eval()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point() and bool((tensor == tensor.flatten()[:1]).all()):
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    return module


def check_equal(ours: UNet, theirs: nn.Module, size: tuple[int, ...]) -> None:
    image = torch.randn(1, 1, *size, dtype=torch.float64)
    with torch.no_grad():
        expected, output = theirs(image), ours(image)
    assert output.shape == expected.shape
    assert (output - expected).abs().max() <= 1e-12 * max(float(expected.abs().max()), 1.0)
    assert count_parameters(ours.graph) == sum(p.numel() for p in theirs.parameters())
