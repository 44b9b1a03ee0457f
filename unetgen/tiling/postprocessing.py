"""What is kept of a tile: the network's outputs, probabilities, or the most likely class of each pixel."""

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

# Heads that end so hand out probabilities already.
_PROBABILITY_LAYERS = ("nn.Sigmoid", "nn.Softmax")

# So many classes have a number in one byte.
_MAX_BYTE_CLASSES = 256


def build_postprocessor(graph: Graph, keep: Keep) -> Callable[[Tensor], Tensor]:
    """(batch, out_channels, *size) to what is kept of it, as (batch, channels, *size).

    Probabilities are the softmax over the channels, or of one channel its sigmoid. Labels, in one channel, are the
    number of the likeliest channel; with one channel 1 where its probability is above one half, else 0.
    """
    likely = has_probability_output(graph)
    if keep == "probabilities":
        return (lambda y: y) if likely else _to_probabilities
    if keep == "labels":
        return lambda y: _to_labels(y, 0.5 if likely else 0.0)
    return lambda y: y


def has_probability_output(graph: Graph) -> bool:
    """Whether the first output is probabilities already."""
    last = graph.nodes[graph.output].op
    return isinstance(last, Activation) and last.target in _PROBABILITY_LAYERS


def get_result_format(model: UNet, keep: Keep) -> tuple[int, Any]:
    """How many channels are kept, and numpy's type of them."""
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
