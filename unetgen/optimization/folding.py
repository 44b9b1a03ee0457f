"""Folding: batch norms taken into the convolutions before them, where nothing else sees what is between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from unetgen.graph.ops import Convolution, Normalization, TransposedConvolution
from unetgen.network.scope import replace_module
from unetgen.network.unet import UNet
from unetgen.optimization.module_checks import is_unmodified

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_batch_norms(model: UNet) -> int:
    """Folds what can be folded, in place; gives how many norms are gone. The model is in evaluation."""
    pairs = list(_find_foldable_pairs(model))
    for convolution, norm in pairs:
        replace_module(model, convolution, _fold(model.get_submodule(convolution), model.get_submodule(norm)))
        replace_module(model, norm, nn.Identity())
    return len(pairs)


def _find_foldable_pairs(model: UNet) -> Iterator[tuple[str, str]]:
    """The paths of convolutions and of the norms behind them, whose joint effect is one convolution's."""
    graph = model.graph
    applied = Counter(node.layer_path for node in graph.nodes)
    for norm in graph.nodes[1:]:
        before = graph.nodes[norm.inputs[0]]
        apart = not isinstance(norm.op, Normalization) or not isinstance(
            before.op, (Convolution, TransposedConvolution)
        )
        if apart or graph.consumers[before.index] != (norm.index,) or before.index in graph.output_nodes:
            continue
        if applied[before.layer_path] == applied[norm.layer_path] == 1 and _is_foldable(model, before.path, norm.path):
            yield before.path, norm.path


def _is_foldable(model: UNet, convolution: str, norm: str) -> bool:
    """Whether the modules that are there now are plain ones."""
    first, second = model.get_submodule(convolution), model.get_submodule(norm)
    return is_unmodified(first, _CONVOLUTIONS) and is_unmodified(second, _NORMS) and second.running_var is not None


def _fold(convolution: Any, norm: Any) -> nn.Module:
    """A convolution that gives what the two give, with weights of its own."""
    transposed = isinstance(convolution, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    weight, bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias,
        transpose=transposed,
    )  # fmt: skip
    with torch.device("meta"):
        more = {"output_padding": convolution.output_padding} if transposed else {}
        made = type(convolution)(
            convolution.in_channels, convolution.out_channels, convolution.kernel_size, stride=convolution.stride,
            padding=convolution.padding, dilation=convolution.dilation, groups=convolution.groups, bias=True,
            padding_mode=convolution.padding_mode, **more,
        )  # fmt: skip
    made.weight, made.bias = weight, bias
    joined: nn.Module = made.eval()
    return joined
