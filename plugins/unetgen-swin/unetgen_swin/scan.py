"""Compute the linear recurrence of a state space model for all steps in parallel.

The number of levels does not depend on the sequence length, so one exported program supports every length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# A chunk of 16 steps is one step of the next level; a 256 x 256 map has 16 steps at the last level.
_CHUNK_LENGTH, _LEVELS = 16, 3


def scan(decay: Tensor, drive: Tensor, levels: int = _LEVELS) -> Tensor:
    """Return all states of ``h[t] = exp(decay[t]) * h[t - 1] + drive[t]``, starting from zero.

    Each chunk is scanned as if it started from zero. The final states of the chunks are scanned recursively, and the
    state before a chunk is added to the chunk's states, multiplied by its decay. Decays are logarithms and at most
    zero, so their sums cannot overflow, and there are no divisions.

    Args:
        decay: The logarithm of the decay of each step, (batch, length, ...).
        drive: The input of each step, (batch, length, ...).
        levels: The number of recursive levels of chunks.

    Returns:
        The states, (batch, length, ...).
    """
    if not levels:
        return _scan_by_pairs(decay, drive)
    length = decay.shape[1]
    total_decay, local_states = _scan_by_doubling(_split_chunks(decay), _split_chunks(drive))
    chunk_ends = scan(total_decay[:, :, -1], local_states[:, :, -1], levels - 1)
    states = local_states + total_decay.exp() * _shift(chunk_ends, 1, 1).unsqueeze(2)
    return states.flatten(1, 2).index_select(1, torch.arange(length, device=states.device))


def _split_chunks(x: Tensor) -> Tensor:
    """Split a sequence into chunks padded with zeros, (batch, length, ...) -> (batch, chunks, 16, ...).

    There are at least two chunks, because torch traces a size of 1 as a constant.
    """
    count = 1 - (-x.shape[1] // _CHUNK_LENGTH)
    padding = count * _CHUNK_LENGTH - x.shape[1]
    return F.pad(x, (0, 0) * (x.dim() - 2) + (0, padding)).reshape(x.shape[0], count, _CHUNK_LENGTH, *x.shape[2:])


def _scan_by_doubling(decay: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cumulative decays and states along axis 2 by doubling (Hillis and Steele 1986).

    After each iteration, an entry combines twice as many steps of the recurrence, up to its own.
    """
    reach = 1
    while reach < _CHUNK_LENGTH:
        drive = drive + decay.exp() * _shift(drive, 2, reach)
        decay = decay + _shift(decay, 2, reach)
        reach *= 2
    return decay, drive


def _shift(x: Tensor, axis: int, steps: int) -> Tensor:
    """Delay a sequence by a number of steps, with zeros at its start."""
    return F.pad(x, (0, 0) * (x.dim() - axis - 1) + (steps, 0)).narrow(axis, 0, x.shape[axis])


def _scan_by_pairs(decay: Tensor, drive: Tensor) -> Tensor:
    """Return each state as the sum of the decayed inputs of all steps up to it; quadratic in the length."""
    steps = torch.arange(decay.shape[1], device=decay.device)
    is_later = (steps.unsqueeze(1) > steps).reshape(len(steps), len(steps), *(1,) * (decay.dim() - 2))
    # A separate sum for each first step: differences of cumulative sums would lose precision.
    total_decay = decay.unsqueeze(2).masked_fill(~is_later, 0.0).cumsum(1)
    weights = total_decay.exp().masked_fill(is_later.transpose(0, 1), 0.0)
    return (weights * drive.unsqueeze(1)).sum(2)
