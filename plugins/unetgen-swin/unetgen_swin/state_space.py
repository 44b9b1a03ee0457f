"""Define a selective state space model over the pixels of a map, with separate weights per direction."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetgen_swin.scan import scan

# The range of the initial step sizes (Gu and Dao 2023, section 3.6).
_MIN_STEP, _MAX_STEP = 1e-3, 1e-1


class StateSpace(nn.Module):
    """A residual block of state space models in several directions, (batch, channels, *size) -> the same.

    Args:
        channels: The number of channels.
        state: The size of each channel's state.
        expansion: The factor of the inner channels.
        kernel_size: The kernel size of the causal convolution.
        scan_orders: The fastest axis and the direction along it, +1 or -1, of each scan.
    """

    def __init__(
        self, channels: int, state: int, expansion: int, kernel_size: int, scan_orders: Sequence[Sequence[int]]
    ) -> None:  # fmt: skip
        super().__init__()
        inner_channels = expansion * channels
        self.scan_orders = [tuple(order) for order in scan_orders]
        self.norm = nn.LayerNorm(channels)
        self.enter = nn.Linear(channels, 2 * inner_channels, bias=False)
        self.directions = nn.ModuleList(
            SelectiveStateSpace(inner_channels, state, -(-channels // 16), kernel_size) for _ in scan_orders
        )
        self.leave = nn.Linear(inner_channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        values, gates = self.enter(self.norm(x.movedim(1, -1))).chunk(2, dim=-1)
        total = torch.zeros_like(values)
        for (axis, direction), state_space in zip(self.scan_orders, self.directions, strict=True):
            total = total + _scan_along(state_space, values, axis + 1, direction)
        branch: Tensor = self.leave(total * F.silu(gates))
        return x + branch.movedim(-1, 1)

    def extra_repr(self) -> str:
        return f"scan_orders={self.scan_orders}"


def _scan_along(state_space: nn.Module, x: Tensor, axis: int, direction: int) -> Tensor:
    """Run a map through a module as a sequence with a fastest axis, (batch, *size, channels) -> the same."""
    moved = x.movedim(axis, -2)
    sequence = moved.flatten(1, -2)
    output: Tensor = state_space(sequence) if direction > 0 else state_space(sequence.flip(1)).flip(1)
    return output.reshape(moved.shape).movedim(-2, axis)


class SelectiveStateSpace(nn.Module):
    """A selective state space model of a sequence, (batch, length, channels) -> the same (Gu and Dao 2023).

    Each channel has a state h of size ``state`` with h' = exp(step * A) * h + step * B * x, and returns C * h + D * x.
    The step, B and C are linear functions of the input; the step has rank ``rank``.
    """

    def __init__(self, channels: int, state: int, rank: int, kernel_size: int) -> None:
        super().__init__()
        self.split_sizes = (rank, state, state)
        self.left_padding = kernel_size - 1
        self.conv = nn.Conv1d(channels, channels, kernel_size, groups=channels)
        self.select = nn.Linear(channels, sum(self.split_sizes), bias=False)
        self.step = nn.Linear(rank, channels)
        self.log_rates = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(channels, 1))
        self.skip = nn.Parameter(torch.ones(channels))
        self._initialize_steps(rank)

    def _initialize_steps(self, rank: int) -> None:
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        with torch.no_grad():
            steps = torch.empty_like(self.step.bias).uniform_(log(_MIN_STEP), log(_MAX_STEP)).exp()
            self.step.bias.copy_(steps.expm1().log())  # the inverse of softplus

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv(F.pad(x.mT, (self.left_padding, 0))).mT)
        low_rank_step, b, c = self.select(x).split(self.split_sizes, dim=-1)
        step = F.softplus(self.step(low_rank_step))
        decay = step.unsqueeze(-1) * -self.log_rates.exp()
        drive = (step * x).unsqueeze(-1) * b.unsqueeze(-2)
        states = scan(decay, drive)
        output: Tensor = (states @ c.unsqueeze(-1)).squeeze(-1) + self.skip * x
        return output
