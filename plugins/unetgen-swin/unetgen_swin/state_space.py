"""A selective state space along the pixels of a map, each direction with weights of its own."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetgen_swin.scan import scan

# Between which a step lies at first (Gu and Dao 2023, section 3.6).
_MIN_STEP, _MAX_STEP = 1e-3, 1e-1


class StateSpace(nn.Module):
    """Norm, state spaces in several directions, gates, and the input added, (batch, channels, *size) -> the same.

    ``ways`` has the axis that runs fastest and the way along it, +1 or -1, for each direction.
    """

    def __init__(
        self, channels: int, state: int, expansion: int, kernel_size: int, scan_orders: Sequence[Sequence[int]]
    ) -> None:  # fmt: skip
        super().__init__()
        wide = expansion * channels
        self.scan_orders = [tuple(way) for way in scan_orders]
        self.norm = nn.LayerNorm(channels)
        self.enter = nn.Linear(channels, 2 * wide, bias=False)
        self.directions = nn.ModuleList(
            SelectiveStateSpace(wide, state, -(-channels // 16), kernel_size) for _ in scan_orders
        )
        self.leave = nn.Linear(wide, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        values, gates = self.enter(self.norm(x.movedim(1, -1))).chunk(2, dim=-1)
        mixed = torch.zeros_like(values)
        for (axis, way), selective in zip(self.scan_orders, self.directions, strict=True):
            mixed = mixed + _scan_along(selective, values, axis + 1, way)
        left: Tensor = self.leave(mixed * F.silu(gates))
        return x + left.movedim(-1, 1)

    def extra_repr(self) -> str:
        return f"ways={self.scan_orders}"


def _scan_along(selective: nn.Module, x: Tensor, axis: int, direction: int) -> Tensor:
    """A map run through as one sequence in which an axis runs fastest, (batch, *size, channels) -> the same."""
    moved = x.movedim(axis, -2)
    row = moved.flatten(1, -2)
    made: Tensor = selective(row) if direction > 0 else selective(row.flip(1)).flip(1)
    return made.reshape(moved.shape).movedim(-2, axis)


class SelectiveStateSpace(nn.Module):
    """The selective state space of one sequence, (batch, length, channels) -> the same (Gu and Dao 2023).

    Each channel has ``state`` numbers h that follow h' = exp(step * A) * h + step * B * x, and gives C * h + D * x.
    Step, B and C are read off the pixel itself; the step by way of ``rank`` numbers.
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
            self.step.bias.copy_(steps.expm1().log())  # whose softplus they are

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv(F.pad(x.mT, (self.left_padding, 0))).mT)
        rank, into, out_of = self.select(x).split(self.split_sizes, dim=-1)
        step = F.softplus(self.step(rank))
        decay = step.unsqueeze(-1) * -self.log_rates.exp()
        drive = (step * x).unsqueeze(-1) * into.unsqueeze(-2)
        states = scan(decay, drive)
        made: Tensor = (states @ out_of.unsqueeze(-1)).squeeze(-1) + self.skip * x
        return made
