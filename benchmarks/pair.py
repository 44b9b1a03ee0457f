"""Build a network twice, with unetgen and by hand, with equal weights and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.handwritten import MilesialNet, PaperNet, VolumeNet
from unetgen import build


@dataclass(frozen=True, slots=True)
class Twin:
    """A shipped spec, its hand-written class, and a size and width that run in well under a second.

    ``full_size`` is for the spec's own width, 64; ``small_size`` measures mostly the overhead of calls.
    """

    spec: str
    handwritten: Callable[..., nn.Module]
    levels: int
    size: tuple[int, ...]
    full_size: tuple[int, ...]
    small_size: tuple[int, ...]
    width: int = 32

    def overrides(self, width: int) -> dict[str, Any]:
        """Return the overrides that give the spec's network a width."""
        return {"widths": [width * 2**level for level in range(self.levels)]}


TWINS = {
    "paper": Twin("unet_paper", PaperNet, 5, (284, 284), (572, 572), (188, 188)),
    "milesial": Twin("unet_milesial", MilesialNet, 5, (256, 256), (572, 572), (32, 32)),
    "volume": Twin("unet_3d", VolumeNet, 4, (92, 92, 92), (116, 132, 132), (92, 92, 92), width=16),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two equal networks and an image for both."""

    ours: nn.Module
    handwritten: nn.Module
    image: Tensor


def build_pair(name: str, size: tuple[int, ...], width: int) -> Pair:
    """Build both networks of a name, and check that they compute the same."""
    twin = TWINS[name]
    ours, by_hand = build_ours(name, width), twin.handwritten(width=width)
    copy_weights(ours, by_hand)
    pair = Pair(ours, by_hand, make_image(name, size))
    assert_equal(pair)
    return pair


def build_ours(name: str, width: int) -> nn.Module:
    """Build unetgen's network of a name."""
    twin = TWINS[name]
    return build(twin.spec, seed=0, **twin.overrides(width))


def make_image(name: str, size: tuple[int, ...]) -> Tensor:
    """Return a random image for the networks of a name."""
    channels = 1 if name == "paper" else 3
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0))


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy weights in execution order, which is the order of both state dicts."""
    theirs, ours = target.state_dict(), source.state_dict()
    assert [t.shape for t in theirs.values()] == [t.shape for t in ours.values()], "not the same network"
    target.load_state_dict(dict(zip(theirs, ours.values(), strict=True)))


def assert_equal(networks: Pair) -> None:
    """Check bit by bit that both have the same output in evaluation and the same gradient in training."""
    networks.ours.eval()
    networks.handwritten.eval()
    with torch.inference_mode():
        assert torch.equal(networks.ours(networks.image), networks.handwritten(networks.image)), "outputs differ"
    assert torch.equal(
        *(_compute_first_gradient(model, networks.image) for model in (networks.ours, networks.handwritten))
    ), "gradients differ"


def _compute_first_gradient(model: nn.Module, x: Tensor) -> Tensor:
    """Return the gradient of the first kernel, with seeded dropout; running statistics are restored."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(0)
    compute_loss(model.train()(x)).backward()
    gradient = next(model.parameters()).grad
    assert gradient is not None
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)
    return gradient


def compute_loss(logits: Tensor) -> Tensor:
    """Return the cross-entropy against a checkerboard of the first two classes."""
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in logits.shape[2:]), indexing="ij")).sum(0)
    return F.cross_entropy(logits, (index % 2).expand(logits.shape[0], *index.shape))
