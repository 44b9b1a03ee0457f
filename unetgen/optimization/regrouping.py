"""Regrouping: instance norms as group norms of one channel each, whose kernels know both orders of memory.

On a processor torch's instance norm copies a map whose channels lie last into the other order, and it takes several
times as long in either.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from unetgen.network.from_graph import UNet
from unetgen.network.scope import replace
from unetgen.optimization.untouched import untouched

_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def regrouped(model: UNet) -> None:
    """Puts group norms where instance norms without running statistics are, in place."""
    found = [(path, module) for path, module in model.named_modules() if untouched(module, _NORMS)]
    for path, norm in found:
        if not norm.track_running_stats:
            replace(model, path, _grouped(norm))


def _grouped(norm: Any) -> nn.Module:
    """The group norm that gives what an instance norm gives, with its very scales."""
    with torch.device("meta"):
        made = nn.GroupNorm(norm.num_features, norm.num_features, norm.eps, norm.affine)
    if norm.affine:
        made.weight, made.bias = norm.weight, norm.bias
    return made.eval()
