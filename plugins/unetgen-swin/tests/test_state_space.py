"""The state space, held against its recurrence step by step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from unetgen_swin.scan import scan
from unetgen_swin.state_space import SelectiveStateSpace, StateSpace

from unetgen.graph.external.live_memory import measure_workspace_elements

LENGTHS = [1, 2, 15, 16, 17, 255, 257, 4097]


def recurrence(decay: Tensor, drive: Tensor) -> Tensor:
    """The states one after the other."""
    state, states = torch.zeros_like(drive[:, 0]), []
    for step in range(drive.shape[1]):
        state = decay[:, step].exp() * state + drive[:, step]
        states.append(state)
    return torch.stack(states, 1)


def steps(length: int) -> tuple[Tensor, Tensor]:
    """Decays from hardly any to all at once, so that products of them leave the range of numbers."""
    generator = torch.Generator().manual_seed(length)
    decay = -torch.rand(2, length, 3, 4, dtype=torch.float64, generator=generator)
    drive = torch.randn(2, length, 3, 4, dtype=torch.float64, generator=generator)
    return decay * torch.tensor([1e-4, 1.0, 1e3], dtype=torch.float64).reshape(3, 1), drive


@pytest.mark.parametrize("length", LENGTHS)
def test_the_scan_is_the_recurrence(length: int) -> None:
    decay, drive = steps(length)
    torch.testing.assert_close(scan(decay, drive), recurrence(decay, drive), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("length", [17, 300])
def test_the_scans_gradients_are_the_recurrences(length: int) -> None:
    found = []
    for way in (scan, recurrence):
        decay, drive = (x.requires_grad_() for x in steps(length))
        way(decay, drive).square().sum().backward()
        found.append((decay.grad, drive.grad))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def test_the_scan_keeps_its_digits_in_single_precision() -> None:
    decay, drive = steps(4097)
    torch.testing.assert_close(
        scan(decay.float(), drive.float()).double(), recurrence(decay, drive), rtol=1e-4, atol=1e-4
    )


def selected(module: SelectiveStateSpace, x: Tensor) -> Tensor:
    """The selective state space by its definition, one pixel and one channel after the other."""
    kernel, bias = module.conv.weight[:, 0], module.conv.bias
    made = torch.zeros_like(x)
    states = torch.zeros(x.shape[1], module.log_rates.shape[1], dtype=x.dtype)
    rank, state, _ = module.split_sizes
    for t in range(len(x)):
        seen = [kernel[:, -1 - back] * x[t - back] for back in range(min(kernel.shape[1], t + 1))]
        u = F.silu(sum(seen) + bias)
        found = module.select.weight @ u
        step = F.softplus(module.step.weight @ found[:rank] + module.step.bias)
        into, out_of = found[rank : rank + state], found[rank + state :]
        for channel in range(x.shape[1]):
            decay = torch.exp(-step[channel] * module.log_rates[channel].exp())
            states[channel] = decay * states[channel] + step[channel] * into * u[channel]
            made[t, channel] = out_of @ states[channel] + module.skip[channel] * u[channel]
    return made


@torch.no_grad()
def test_the_selective_state_space_is_its_definition() -> None:
    torch.manual_seed(2)
    module = SelectiveStateSpace(6, 5, 2, 3).double()
    nn.init.normal_(module.skip)
    module.log_rates += torch.randn(6, 5) / 2
    x = torch.randn(1, 21, 6, dtype=torch.float64)
    torch.testing.assert_close(module(x)[0], selected(module, x[0]), rtol=1e-10, atol=1e-10)


def test_rates_steps_and_skips_start_as_in_the_paper() -> None:
    torch.manual_seed(0)
    module = SelectiveStateSpace(4096, 4, 2, 4)
    torch.testing.assert_close(module.log_rates.exp(), torch.arange(1.0, 5).expand(4096, 4))
    started = F.softplus(module.step.bias)
    assert 0.999e-3 < started.min() < 1.01e-3
    assert 0.99e-1 < started.max() < 1.001e-1
    assert started.log().mean().exp().item() == pytest.approx(1e-2, rel=0.05)
    assert torch.equal(module.skip, torch.ones(4096))


class Sum(nn.Module):
    """In place of a selective state space: what came before, added up."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(1)


@torch.no_grad()
def test_each_direction_goes_its_own_way() -> None:
    pixel = torch.zeros(1, 1, 3, 4)
    pixel[0, 0, 1, 2] = 1
    expected = {
        (1, 1): [[0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]],
        (1, -1): [[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0]],
        (0, 1): [[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1]],
        (0, -1): [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 0]],
    }
    for way, reached in expected.items():
        model = StateSpace(1, 1, 1, 1, [way])
        model.norm, model.enter, model.leave = nn.Identity(), nn.Linear(1, 2, bias=False), nn.Identity()
        model.enter.weight.fill_(1)
        model.directions[0] = Sum()
        # A one that came from the pixel is gated by each pixel's own value, so the gate is opened first.
        opened = model.enter.register_forward_hook(
            lambda _, __, made: torch.cat((made[..., :1], made[..., 1:] * 0 + 9), -1)
        )
        grown = (model(pixel) - pixel)[0, 0]
        opened.remove()
        assert (grown > 1).int().tolist() == reached


def test_four_times_the_pixels_take_some_four_times_the_memory() -> None:
    """All pairs of pixels at once would take sixteen times as much."""
    model = StateSpace(16, 16, 2, 4, [[1, 1], [1, -1]])
    small, large = (measure_workspace_elements(model, [torch.randn(1, 16, n, n)]) for n in (32, 64))
    assert large < 6 * small
