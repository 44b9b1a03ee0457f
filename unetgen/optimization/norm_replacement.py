"""Replace instance and group norms by one that is exact, and fast where channels are last in memory.

On a CPU, torch's instance norm copies channels-last feature maps into the other order. Its group norm does not, but
computes the variance as a difference of two means (of squares and of values) and sums large maps at once: if a mean
is thirty standard deviations large, a thousandth of the output is lost.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unetgen.network.scope import replace_module
from unetgen.network.unet import UNet
from unetgen.optimization.module_checks import is_unmodified

_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm)


class CentredGroupNorm(nn.GroupNorm):
    """A group norm that subtracts the mean before squaring, in float32 at least."""

    def forward(self, x: Tensor) -> Tensor:
        wide = x if x.dtype == torch.float64 else x.float()
        centred = wide - self._mean(wide)
        scale = torch.rsqrt(self._mean(centred * centred) + self.eps)
        if not self.affine:
            return (centred * scale).to(x.dtype)
        weight, bias = (values.to(wide.dtype).reshape(1, *scale.shape[1:]) for values in (self.weight, self.bias))
        return torch.addcmul(bias, centred, scale * weight).to(x.dtype)

    def _mean(self, x: Tensor) -> Tensor:
        """(batch, c, *size) -> (batch, c, 1, ...): for each channel, the mean of its group."""
        means = x.mean(tuple(range(2, x.dim())), keepdim=True)
        if self.num_groups == self.num_channels:
            return means
        group_means = means.reshape(len(x), self.num_groups, -1).mean(2)
        return group_means.repeat_interleave(self.num_channels // self.num_groups, 1).reshape(means.shape)


def replace_norms(model: UNet) -> None:
    """Replace all group norms, and instance norms without running statistics, in place."""
    norms = [(path, module) for path, module in model.named_modules() if is_unmodified(module, _NORMS)]
    for path, norm in norms:
        if isinstance(norm, nn.GroupNorm):
            replace_module(model, path, _to_group_norm(norm, norm.num_groups, norm.num_channels))
        elif not norm.track_running_stats:
            replace_module(model, path, _to_group_norm(norm, norm.num_features, norm.num_features))


def _to_group_norm(norm: Any, groups: int, channels: int) -> nn.Module:
    """Return the equivalent group norm, sharing weight and bias with the original."""
    with torch.device("meta"):
        replacement = CentredGroupNorm(groups, channels, norm.eps, norm.affine)
    if norm.affine:
        replacement.weight, replacement.bias = norm.weight, norm.bias
    return replacement.eval()
