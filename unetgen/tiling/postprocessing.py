"""Convert a network's outputs to probabilities or labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from unetgen.graph.graph import Graph
from unetgen.graph.ops import Activation

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

Keep = Literal["outputs", "probabilities", "labels"]

KEEP_VALUES: tuple[Keep, ...] = get_args(Keep)

# A head that ends in one of these layers returns probabilities.
_PROBABILITY_LAYERS = ("nn.Sigmoid", "nn.Softmax")

# The number of classes that fit in one byte.
_MAX_BYTE_CLASSES = 256


def build_postprocessor(graph: Graph, keep: Keep) -> Callable[[Tensor], Tensor]:
    """Build a function that converts outputs to the values to keep.

    Args:
        graph: The network's graph.
        keep: ``outputs``: unchanged. ``probabilities``: the softmax over the channels, or the sigmoid of a single
            channel. ``labels``: the index of the most likely channel; for a single channel, whether its probability is
            above one half.

    Returns:
        A function from (batch, out_channels, *size) to (batch, channels, *size).
    """
    is_probability = has_probability_output(graph)
    if keep == "probabilities":
        return (lambda y: y) if is_probability else _to_probabilities
    if keep == "labels":
        return lambda y: _to_labels(y, 0.5 if is_probability else 0.0)
    return lambda y: y


def has_probability_output(graph: Graph) -> bool:
    """Return whether the first output consists of probabilities."""
    last = graph.nodes[graph.output].op
    return isinstance(last, Activation) and last.target in _PROBABILITY_LAYERS


def get_result_format(model: UNet, keep: Keep) -> tuple[int, Any]:
    """Return the number of channels of a result and its numpy data type."""
    channels = model.graph.out_channels
    if keep == "labels":
        return 1, np.dtype(np.uint8 if channels <= _MAX_BYTE_CLASSES else np.int32)
    return channels, np.dtype(np.float64 if next(model.parameters()).dtype == torch.float64 else np.float32)


def _to_probabilities(y: Tensor) -> Tensor:
    return y.sigmoid() if y.shape[1] == 1 else y.softmax(1)


def _to_labels(y: Tensor, threshold: float) -> Tensor:
    if y.shape[1] == 1:
        return (y > threshold).to(torch.uint8)
    return y.argmax(1, keepdim=True).to(torch.uint8 if y.shape[1] <= _MAX_BYTE_CLASSES else torch.int32)
