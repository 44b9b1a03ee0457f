"""Define the training losses, from a network's logits and the classes of the pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from unetgen.errors import MissingDependencyError

# From logits (batch, channels, *size) and classes (batch, *size) to a scalar.
LossFunction = Callable[[Tensor, Tensor], Tensor]

LossName = Literal["cross_entropy", "dice", "dice_cross_entropy"]


def build_loss(name: LossName) -> LossFunction:
    """Build a loss function.

    Args:
        name: ``cross_entropy``, as in the U-Net paper but without its pixel weights; ``dice`` (Milletari et al. 2016);
            or ``dice_cross_entropy``, their sum. For a single channel, its sigmoid is the probability of class 1.

    Returns:
        A function from logits (batch, channels, *size) and classes (batch, *size) to a scalar.

    Raises:
        MissingDependencyError: The loss needs MONAI, which is not installed.
    """
    if name == "cross_entropy":
        return cross_entropy
    try:
        from monai.losses import DiceLoss
    except ImportError:
        raise MissingDependencyError(f"the loss {name}", "monai", "trials") from None

    def dice(output: Tensor, truth: Tensor) -> Tensor:
        is_multiclass = output.shape[1] > 1
        criterion = DiceLoss(softmax=is_multiclass, sigmoid=not is_multiclass, to_onehot_y=is_multiclass)
        loss: Tensor = criterion(output, truth[:, None])
        return loss

    return dice if name == "dice" else lambda output, truth: dice(output, truth) + cross_entropy(output, truth)


def cross_entropy(output: Tensor, truth: Tensor) -> Tensor:
    """Return the cross-entropy over the channels, or the binary cross-entropy of a single channel.

    Examples:
        >>> round(cross_entropy(torch.zeros(1, 4, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long)).item(), 3)
        1.386
    """
    if output.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(output[:, 0], truth.to(output.dtype))
    return F.cross_entropy(output, truth)


def deep_supervision_loss(
    outputs: Sequence[Tensor], truth: Tensor, loss_function: LossFunction, crop: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return the weighted mean loss of all outputs, where each weighs half as much as the one before.

    Coarser outputs are interpolated to the size of the finest (Isensee et al. 2021 downsample the truth instead).

    Args:
        outputs: Logits (batch, channels, *size), the finest first.
        truth: The classes of the patch, (batch, *patch).
        loss_function: The loss of a single output.
        crop: Crops an output of the finest size to the patch.

    Returns:
        A scalar.
    """
    size = outputs[0].shape[2:]
    weights = torch.tensor([0.5**index for index in range(len(outputs))])
    mode = ("linear", "bilinear", "trilinear")[len(size) - 1]
    losses = [
        loss_function(crop(y if y.shape[2:] == size else F.interpolate(y, tuple(size), mode=mode)), truth)
        for y in outputs
    ]
    return sum((w * loss for w, loss in zip(weights / weights.sum(), losses, strict=True)), torch.zeros(()))
