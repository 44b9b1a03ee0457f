"""Small U-Nets as other people write them: one arithmetic of widths 4, 8, 16, under different names and registrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

import unetgen
from unetgen.network.unet import UNet

WIDTHS = (4, 8, 16)

SPEC: dict[str, Any] = {
    "schema_version": 1,
    "name": "mine",
    "in_channels": 1,
    "out_channels": 2,
    "widths": list(WIDTHS),
    "block": {"padding": "zeros", "norm": "batch"},
}


def ours(**overrides: Any) -> UNet:
    """The same arithmetic, built here."""
    return unetgen.build(SPEC, **{"seed": 7, **overrides}).eval()


def trained(net: nn.Module, seed: int = 1) -> nn.Module:
    """Weights and running statistics such as training leaves them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.2, 1.2, generator=generator)
    return net.eval()


def run_through(
    x: Tensor, down: Sequence[nn.Module], ups: Sequence[nn.Module], back: Sequence[nn.Module], head: nn.Module
) -> Tensor:
    """The arithmetic. ``down`` goes from the finest stage to the bottom, ``ups`` and ``back`` the other way."""
    skips = []
    for stage in down[:-1]:
        skips.append(stage(x))
        x = nn.functional.max_pool2d(skips[-1], 2)
    x = down[-1](x)
    for up, stage in zip(ups, back, strict=True):
        x = stage(torch.cat([skips.pop(), up(x)], dim=1))
    return head(x)


def stage(channels: int, out: int) -> nn.Sequential:
    """Two convolutions with their norms, named by number."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(),
        nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(),
    )  # fmt: skip


class Jumbled(nn.Module):
    """Registers its head first and its stages from the deepest on; only the order within each shape is that of use."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Conv2d(4, 2, 1)
        self.c, self.b, self.a = stage(8, 16), stage(4, 8), stage(1, 4)
        self.ups = nn.ModuleList([nn.ConvTranspose2d(8, 4, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)])
        self.back = nn.ModuleList([stage(8, 4), stage(16, 8)])

    def forward(self, x: Tensor) -> Tensor:
        return run_through(
            x, [self.a, self.b, self.c], [self.ups[1], self.ups[0]], [self.back[1], self.back[0]], self.out
        )


class Listed(nn.Module):
    """A convolution with its norm, each registered by name and once more in a list."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)
        self.norm = nn.BatchNorm2d(out)
        self.all_modules = nn.Sequential(self.conv, self.norm, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.all_modules(x)


class ListedEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = zip((1, *WIDTHS), WIDTHS, strict=False)
        self.stages = nn.ModuleList(nn.Sequential(Listed(i, o), Listed(o, o)) for i, o in sizes)


class ListedDecoder(nn.Module):
    def __init__(self, encoder: ListedEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.stages = nn.ModuleList(nn.Sequential(Listed(2 * w, w), Listed(w, w)) for w in (8, 4))
        self.transpconvs = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in (8, 4))
        self.seg = nn.Conv2d(4, 2, 1)


class Doubled(nn.Module):
    """Holds every layer two times, and those of its encoder four times."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ListedEncoder()
        self.decoder = ListedDecoder(self.encoder)

    def forward(self, x: Tensor) -> Tensor:
        return run_through(
            x, list(self.encoder.stages), list(self.decoder.transpconvs), list(self.decoder.stages), self.decoder.seg
        )


class Wrapped(nn.Module):
    """A convolution under one more name."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Basic(nn.Module):
    """Two convolutions first, then two norms."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Wrapped(channels, out), Wrapped(out, out)
        self.norm1, self.norm2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(x)))


class Up(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.transp_conv = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.conv_block = Basic(2 * width, width)


class SkipLayer(nn.Module):
    """One level of a recursion over stages that are registered elsewhere too."""

    def __init__(self, downsample: nn.Module, upsample: nn.Module, next_layer: nn.Module) -> None:
        super().__init__()
        self.downsample, self.next_layer, self.upsample = downsample, next_layer, upsample


class Nested(nn.Module):
    """Registers its stages in lists, and all of them again in a recursion over its levels."""

    def __init__(self) -> None:
        super().__init__()
        self.input_block, self.downsample, self.bottleneck = Basic(1, 4), Basic(4, 8), Basic(8, 16)
        self.upsamples = nn.ModuleList([Up(8), Up(4)])
        self.output_block = Wrapped(4, 2)
        self.output_block.conv = nn.Conv2d(4, 2, 1)
        inner = SkipLayer(self.downsample, self.upsamples[0], self.bottleneck)
        self.skip_layers = SkipLayer(self.input_block, self.upsamples[1], inner)

    def forward(self, x: Tensor) -> Tensor:
        ups = [up.transp_conv for up in self.upsamples]
        back = [up.conv_block for up in self.upsamples]
        return run_through(x, [self.input_block, self.downsample, self.bottleneck], ups, back, self.output_block)
