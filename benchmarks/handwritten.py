"""Define three carefully hand-written U-Nets as references for unetgen's networks.

Activations run in place, a level's feature map is released as soon as it is concatenated, and the decoder is written
out in ``forward``, so that no outer call keeps a map alive. Modules are in execution order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PaperNet(nn.Module):
    """The network of Ronneberger, Fischer and Brox (2015): unpadded convolutions, cropped skips."""

    def __init__(self, in_channels: int = 1, out_channels: int = 2, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        inputs = [in_channels, *widths]
        dropped = (depth - 1, depth)
        self.encoder = nn.ModuleList(
            self._block(inputs[i], widths[i], dropout=0.5 if i in dropped else 0.0) for i in range(depth)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = self._block(inputs[depth], widths[depth], dropout=0.5)
        self.decoder = nn.ModuleList()
        for i in reversed(range(depth)):
            up = nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2)
            self.decoder.append(nn.ModuleList([up, self._block(2 * widths[i], widths[i])]))
        self.head = nn.Conv2d(width, out_channels, 1)

    @staticmethod
    def _block(inputs: int, outputs: int, dropout: float = 0.0) -> nn.Sequential:
        layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(outputs, outputs, 3), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))

    def forward(self, x: Tensor) -> Tensor:
        """Compute (batch, in_channels, n, n) -> (batch, out_channels, n - 184, n - 184) at depth 4."""
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, block in self.decoder:  # type: ignore[misc]  # each is a pair of modules
            x = up(x)
            x = torch.cat([_crop_to(skips.pop(), x), x], dim=1)
            x = block(x)
        return self.head(x)


class MilesialNet(nn.Module):
    """The network of milesial/Pytorch-UNet: padded convolutions, batch norms, odd rows padded in the decoder."""

    def __init__(self, in_channels: int = 3, out_channels: int = 2, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        inputs = [in_channels, *widths]
        self.encoder = nn.ModuleList(self._block(inputs[i], widths[i]) for i in range(depth))
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = self._block(inputs[depth], widths[depth])
        self.decoder = nn.ModuleList()
        for i in reversed(range(depth)):
            up = nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2)
            self.decoder.append(nn.ModuleList([up, self._block(2 * widths[i], widths[i])]))
        self.head = nn.Conv2d(width, out_channels, 1)

    @staticmethod
    def _block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute (batch, in_channels, h, w) -> (batch, out_channels, h, w)."""
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, block in self.decoder:  # type: ignore[misc]  # each is a pair of modules
            x = up(x)
            x = _pad_to(x, skips[-1])
            x = torch.cat([skips.pop(), x], dim=1)
            x = block(x)
        return self.head(x)


class VolumeNet(nn.Module):
    """The 3-D network of Cicek et al. (2016): channels double before the pooling, up-convolutions keep them."""

    def __init__(self, in_channels: int = 3, out_channels: int = 3, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        inputs = [in_channels, *widths]
        self.encoder = nn.ModuleList(self._block(inputs[i], widths[i] // 2, widths[i]) for i in range(depth))
        self.pool = nn.MaxPool3d(2)
        self.bottleneck = self._block(inputs[depth], widths[depth] // 2, widths[depth])
        self.decoder = nn.ModuleList()
        for i in reversed(range(depth)):
            up = nn.ConvTranspose3d(widths[i + 1], widths[i + 1], 2, stride=2, bias=False)
            block = self._block(widths[i] + widths[i + 1], widths[i], widths[i])
            self.decoder.append(nn.ModuleList([up, block]))
        self.head = nn.Conv3d(width, out_channels, 1)

    @staticmethod
    def _block(inputs: int, middle: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv3d(inputs, middle, 3),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, outputs, 3),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute (batch, in_channels, d, h, w) -> (batch, out_channels, d - 88, h - 88, w - 88) at depth 3."""
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, block in self.decoder:  # type: ignore[misc]  # each is a pair of modules
            x = up(x)
            x = torch.cat([_crop_to(skips.pop(), x), x], dim=1)
            x = block(x)
        return self.head(x)


def _crop_to(x: Tensor, other: Tensor) -> Tensor:
    """Crop the centre of x to the size of the other map."""
    for axis in range(2, x.dim()):
        size = other.shape[axis]
        x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
    return x


def _pad_to(x: Tensor, other: Tensor) -> Tensor:
    """Pad x with zeros to the size of the other map."""
    rows, columns = other.shape[2] - x.shape[2], other.shape[3] - x.shape[3]
    if not rows and not columns:
        return x  # F.pad would copy it
    return F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
