"""Small U-Nets as other people write them: one arithmetic of widths 4, 8, 16, under different names and registrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def build_equivalent(**overrides: Any) -> UNet:
    """The same arithmetic, built here."""
    return unetgen.build(SPEC, **{"seed": 7, **overrides}).eval()


def with_trained_state(net: nn.Module, seed: int = 1) -> nn.Module:
    """Weights and running statistics such as training leaves them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.2, 1.2, generator=generator)
    return net.eval()


def unet_forward(
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


class ShuffledUNet(nn.Module):
    """Registers its head first and its stages from the deepest on; only the order within each shape is that of use."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Conv2d(4, 2, 1)
        self.c, self.b, self.a = stage(8, 16), stage(4, 8), stage(1, 4)
        self.ups = nn.ModuleList([nn.ConvTranspose2d(8, 4, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)])
        self.back = nn.ModuleList([stage(8, 4), stage(16, 8)])

    def forward(self, x: Tensor) -> Tensor:
        return unet_forward(
            x, [self.a, self.b, self.c], [self.ups[1], self.ups[0]], [self.back[1], self.back[0]], self.out
        )


class DoublyRegisteredBlock(nn.Module):
    """A convolution with its norm, each registered by name and once more in a list."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)
        self.norm = nn.BatchNorm2d(out)
        self.all_modules = nn.Sequential(self.conv, self.norm, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.all_modules(x)


class DoublyRegisteredEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = zip((1, *WIDTHS), WIDTHS, strict=False)
        self.stages = nn.ModuleList(
            nn.Sequential(DoublyRegisteredBlock(i, o), DoublyRegisteredBlock(o, o)) for i, o in sizes
        )


class DoublyRegisteredDecoder(nn.Module):
    def __init__(self, encoder: DoublyRegisteredEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.stages = nn.ModuleList(
            nn.Sequential(DoublyRegisteredBlock(2 * w, w), DoublyRegisteredBlock(w, w)) for w in (8, 4)
        )
        self.transpconvs = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in (8, 4))
        self.seg = nn.Conv2d(4, 2, 1)


class DoublyRegisteredUNet(nn.Module):
    """Holds every layer two times, and those of its encoder four times."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = DoublyRegisteredEncoder()
        self.decoder = DoublyRegisteredDecoder(self.encoder)

    def forward(self, x: Tensor) -> Tensor:
        return unet_forward(
            x, list(self.encoder.stages), list(self.decoder.transpconvs), list(self.decoder.stages), self.decoder.seg
        )


class WrappedConv(nn.Module):
    """A convolution under one more name."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ConvsThenNorms(nn.Module):
    """Two convolutions first, then two norms."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = WrappedConv(channels, out), WrappedConv(out, out)
        self.norm1, self.norm2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(x)))


class RecursiveUp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.transp_conv = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.conv_block = ConvsThenNorms(2 * width, width)


class SkipLayer(nn.Module):
    """One level of a recursion over stages that are registered elsewhere too."""

    def __init__(self, downsample: nn.Module, upsample: nn.Module, next_layer: nn.Module) -> None:
        super().__init__()
        self.downsample, self.next_layer, self.upsample = downsample, next_layer, upsample


class RecursiveUNet(nn.Module):
    """Registers its stages in lists, and all of them again in a recursion over its levels."""

    def __init__(self) -> None:
        super().__init__()
        self.input_block, self.downsample, self.bottleneck = (
            ConvsThenNorms(1, 4),
            ConvsThenNorms(4, 8),
            ConvsThenNorms(8, 16),
        )
        self.upsamples = nn.ModuleList([RecursiveUp(8), RecursiveUp(4)])
        self.output_block = WrappedConv(4, 2)
        self.output_block.conv = nn.Conv2d(4, 2, 1)
        inner = SkipLayer(self.downsample, self.upsamples[0], self.bottleneck)
        self.skip_layers = SkipLayer(self.input_block, self.upsamples[1], inner)

    def forward(self, x: Tensor) -> Tensor:
        ups = [up.transp_conv for up in self.upsamples]
        back = [up.conv_block for up in self.upsamples]
        return unet_forward(x, [self.input_block, self.downsample, self.bottleneck], ups, back, self.output_block)


class MilesialDoubleConv(nn.Module):
    def __init__(self, channels: int, out: int, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or out
        self.double_conv = nn.Sequential(
            nn.Conv2d(channels, middle, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class MilesialDown(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), MilesialDoubleConv(channels, out))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class MilesialUp(nn.Module):
    def __init__(self, channels: int, out: int, *, bilinear: bool) -> None:
        super().__init__()
        self.up: nn.Module
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = MilesialDoubleConv(channels, out, channels // 2)
        else:
            self.up = nn.ConvTranspose2d(channels, channels // 2, kernel_size=2, stride=2)
            self.conv = MilesialDoubleConv(channels, out)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        below = self.up(below)
        rows, columns = skip.shape[2] - below.shape[2], skip.shape[3] - below.shape[3]
        below = F.pad(below, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([skip, below], dim=1))


class MilesialOutConv(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class MilesialUNet(nn.Module):
    """The network of milesial/Pytorch-UNet, with its names, written down anew; ``base`` is 64 there."""

    def __init__(self, base: int = 64, *, bilinear: bool = False) -> None:
        super().__init__()
        half = 2 if bilinear else 1
        self.inc = MilesialDoubleConv(3, base)
        self.down1 = MilesialDown(base, 2 * base)
        self.down2 = MilesialDown(2 * base, 4 * base)
        self.down3 = MilesialDown(4 * base, 8 * base)
        self.down4 = MilesialDown(8 * base, 16 * base // half)
        self.up1 = MilesialUp(16 * base, 8 * base // half, bilinear=bilinear)
        self.up2 = MilesialUp(8 * base, 4 * base // half, bilinear=bilinear)
        self.up3 = MilesialUp(4 * base, 2 * base // half, bilinear=bilinear)
        self.up4 = MilesialUp(2 * base, base, bilinear=bilinear)
        self.outc = MilesialOutConv(base, 2)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4)
        x = self.up4(self.up3(self.up2(x, x3), x2), x1)
        return self.outc(x)
