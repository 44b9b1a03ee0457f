"""The linear recurrence of a state space, all steps at once.

How it is cut up does not depend on how long the sequence is, so that one exported program serves every length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# 16 steps are one step of the level above, and what is left of a 256 x 256 map at the top are 16 steps.
_CHUNK_LENGTH, _LEVELS = 16, 3


def scan(decay: Tensor, drive: Tensor, levels: int = _LEVELS) -> Tensor:
    """All states of ``h[t] = exp(decay[t]) * h[t - 1] + drive[t]`` from zero, (batch, length, ...) -> the same.

    Each chunk is scanned as if it began at zero; the ends of the chunks are then a sequence of their own, and what a
    chunk found at its start is added to its states as far as it lasts. Decays are logarithms, at most zero: their sums
    cannot overflow, and nothing is divided.
    """
    if not levels:
        return _scan_by_pairs(decay, drive)
    length = decay.shape[1]
    passed, inside = _scan_by_doubling(_split_chunks(decay), _split_chunks(drive))
    ends = scan(passed[:, :, -1], inside[:, :, -1], levels - 1)
    states = inside + passed.exp() * _shift(ends, 1, 1).unsqueeze(2)
    return states.flatten(1, 2).index_select(1, torch.arange(length, device=states.device))


def _split_chunks(x: Tensor) -> Tensor:
    """(batch, length, ...) -> (batch, chunks, 16, ...); the last are filled up with steps that do nothing.

    There are two at least, since torch traces a single one as a one and not as a size.
    """
    count = 1 - (-x.shape[1] // _CHUNK_LENGTH)
    missing = count * _CHUNK_LENGTH - x.shape[1]
    return F.pad(x, (0, 0) * (x.dim() - 2) + (0, missing)).reshape(x.shape[0], count, _CHUNK_LENGTH, *x.shape[2:])


def _scan_by_doubling(decay: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
    """The sums of the decays and the states along axis 2, in steps of 1, 2, 4 ... (Hillis and Steele 1986).

    After each step an entry stands for twice as many steps of the recurrence, up to itself.
    """
    reach = 1
    while reach < _CHUNK_LENGTH:
        drive = drive + decay.exp() * _shift(drive, 2, reach)
        decay = decay + _shift(decay, 2, reach)
        reach *= 2
    return decay, drive


def _shift(x: Tensor, axis: int, steps: int) -> Tensor:
    """A sequence so many steps later, with zeros at its start."""
    return F.pad(x, (0, 0) * (x.dim() - axis - 1) + (steps, 0)).narrow(axis, 0, x.shape[axis])


def _scan_by_pairs(decay: Tensor, drive: Tensor) -> Tensor:
    """Each state as the sum of what every step up to it has left there; quadratic in the length."""
    here = torch.arange(decay.shape[1], device=decay.device)
    later = (here.unsqueeze(1) > here).reshape(len(here), len(here), *(1,) * (decay.dim() - 2))
    # Sums over what lies between, each from its own start: differences of sums from the first step lose digits.
    between = decay.unsqueeze(2).masked_fill(~later, 0.0).cumsum(1)
    left = between.exp().masked_fill(later.transpose(0, 1), 0.0)
    return (left * drive.unsqueeze(1)).sum(2)
