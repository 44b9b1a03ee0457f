"""Test that the examples compute the same as segmentation_models_pytorch with equal weights.

The extra ``parity`` installs that library. ``import_weights`` transfers the weights by structure.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import unetgen
from unetgen.config.registry.registry import Registry

from conftest import EXAMPLES

smp = pytest.importorskip("segmentation_models_pytorch", reason="the extra 'parity' is not installed")

PAIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet34": ("unet_resnet34", {}),
    "tu-efficientnet_b0": ("unet_resnet34", {"encoder.name": "efficientnet_b0"}),
    "tu-convnext_atto": ("unet_convnext", {}),
}


@pytest.mark.parametrize("encoder", PAIRS)
def test_the_same_outputs(registry: Registry, encoder: str) -> None:
    """In evaluation and float64 no output differs by more than 1e-9 of the largest."""
    example, more = PAIRS[encoder]
    torch.manual_seed(0)
    theirs = smp.Unet(encoder, encoder_weights=None).double().eval()
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            if tensor.is_floating_point() and bool((tensor == tensor.flatten()[:1]).all()):
                tensor.copy_(torch.rand_like(tensor) + 0.5)  # norms initialised with zeros would hide a branch
    ours = unetgen.build(EXAMPLES / f"{example}.yaml", registry=registry, **more).double().eval()
    report = unetgen.import_weights(ours, theirs.state_dict())
    assert not report.missing
    image = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected, output = theirs(image), ours(image)
    assert output.shape == expected.shape
    assert (output - expected).abs().max() <= 1e-9 * expected.abs().max().clamp(min=1)
