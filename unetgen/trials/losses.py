"""Losses: what a network is trained by, from its outputs before any softmax and the classes of the pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from unetgen.errors import MissingDependencyError

# Outputs (batch, channels, *size) and classes (batch, *size), to a number.
LossFunction = Callable[[Tensor, Tensor], Tensor]

LossName = Literal["cross_entropy", "dice", "dice_cross_entropy"]


def build_loss(name: LossName) -> LossFunction:
    """``cross_entropy``, as in the paper without its weights; ``dice`` (Milletari et al. 2016); the sum of both.

    A network of one channel tells the class 1 by its sigmoid.
    """
    if name == "cross_entropy":
        return cross_entropy
    try:
        from monai.losses import DiceLoss
    except ImportError:
        raise MissingDependencyError(f"the loss {name}", "monai", "trials") from None

    def dice(output: Tensor, truth: Tensor) -> Tensor:
        several = output.shape[1] > 1
        found: Tensor = DiceLoss(softmax=several, sigmoid=not several, to_onehot_y=several)(output, truth[:, None])
        return found

    return dice if name == "dice" else lambda output, truth: dice(output, truth) + cross_entropy(output, truth)


def cross_entropy(output: Tensor, truth: Tensor) -> Tensor:
    """Over the channels, or of one channel against 0."""
    if output.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(output[:, 0], truth.to(output.dtype))
    return F.cross_entropy(output, truth)


def deep_supervision_loss(
    outputs: Sequence[Tensor], truth: Tensor, loss_function: LossFunction, crop: Callable[[Tensor], Tensor]
) -> Tensor:
    """The loss of every output of a network, the finest first: each counts half as much as the one before.

    Coarser ones are brought to the size of the finest (Isensee et al. 2021 reduce the truth instead).
    """
    size = outputs[0].shape[2:]
    weights = torch.tensor([0.5**number for number in range(len(outputs))])
    mode = ("linear", "bilinear", "trilinear")[len(size) - 1]
    losses = [
        loss_function(crop(y if y.shape[2:] == size else F.interpolate(y, tuple(size), mode=mode)), truth)
        for y in outputs
    ]
    return sum((w * part for w, part in zip(weights / weights.sum(), losses, strict=True)), torch.zeros(()))
