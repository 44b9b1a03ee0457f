"""Fold batch norms into the convolutions before them, if nothing else reads the feature map between the two."""

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
    """Fold all batch norms that can be folded, in place, and return their number; the model is in evaluation mode."""
    pairs = list(_find_foldable_pairs(model))
    for convolution, norm in pairs:
        replace_module(model, convolution, _fold(model.get_submodule(convolution), model.get_submodule(norm)))
        replace_module(model, norm, nn.Identity())
    return len(pairs)


def _find_foldable_pairs(model: UNet) -> Iterator[tuple[str, str]]:
    """Yield the paths of each convolution and the norm after it that together equal one convolution."""
    graph = model.graph
    num_calls = Counter(node.layer_path for node in graph.nodes)
    for norm in graph.nodes[1:]:
        before = graph.nodes[norm.inputs[0]]
        if not isinstance(norm.op, Normalization) or not isinstance(before.op, (Convolution, TransposedConvolution)):
            continue
        if graph.consumers[before.index] != (norm.index,) or before.index in graph.output_nodes:
            continue
        if num_calls[before.layer_path] == num_calls[norm.layer_path] == 1 and _is_foldable(
            model, before.path, norm.path
        ):
            yield before.path, norm.path


def _is_foldable(model: UNet, convolution: str, norm: str) -> bool:
    """Return whether the modules now at these paths are plain ones of torch."""
    first, second = model.get_submodule(convolution), model.get_submodule(norm)
    return is_unmodified(first, _CONVOLUTIONS) and is_unmodified(second, _NORMS) and second.running_var is not None


def _fold(convolution: Any, norm: Any) -> nn.Module:
    """Return a convolution, with weights of its own, that computes what the two layers compute."""
    is_transposed = isinstance(convolution, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    weight, bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias,
        transpose=is_transposed,
    )  # fmt: skip
    with torch.device("meta"):
        extra = {"output_padding": convolution.output_padding} if is_transposed else {}
        folded = type(convolution)(
            convolution.in_channels, convolution.out_channels, convolution.kernel_size, stride=convolution.stride,
            padding=convolution.padding, dilation=convolution.dilation, groups=convolution.groups, bias=True,
            padding_mode=convolution.padding_mode, **extra,
        )  # fmt: skip
    folded.weight, folded.bias = weight, bias
    result: nn.Module = folded.eval()
    return result
