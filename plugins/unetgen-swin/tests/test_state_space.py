"""Compare the state space model with its recurrence, step by step."""

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
    """Compute the states one after the other."""
    state, states = torch.zeros_like(drive[:, 0]), []
    for step in range(drive.shape[1]):
        state = decay[:, step].exp() * state + drive[:, step]
        states.append(state)
    return torch.stack(states, 1)


def random_steps(length: int) -> tuple[Tensor, Tensor]:
    """Return decays from very weak to very strong, whose products underflow, and inputs."""
    generator = torch.Generator().manual_seed(length)
    decay = -torch.rand(2, length, 3, 4, dtype=torch.float64, generator=generator)
    drive = torch.randn(2, length, 3, 4, dtype=torch.float64, generator=generator)
    return decay * torch.tensor([1e-4, 1.0, 1e3], dtype=torch.float64).reshape(3, 1), drive


@pytest.mark.parametrize("length", LENGTHS)
def test_scan_equals_the_recurrence(length: int) -> None:
    decay, drive = random_steps(length)
    torch.testing.assert_close(scan(decay, drive), recurrence(decay, drive), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("length", [17, 300])
def test_gradients_of_the_scan_equal_those_of_the_recurrence(length: int) -> None:
    gradients = []
    for function in (scan, recurrence):
        decay, drive = (x.requires_grad_() for x in random_steps(length))
        function(decay, drive).square().sum().backward()
        gradients.append((decay.grad, drive.grad))
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


def test_scan_is_accurate_in_single_precision() -> None:
    decay, drive = random_steps(4097)
    torch.testing.assert_close(
        scan(decay.float(), drive.float()).double(), recurrence(decay, drive), rtol=1e-4, atol=1e-4
    )


def apply_by_definition(module: SelectiveStateSpace, x: Tensor) -> Tensor:
    """Compute a selective state space model by its definition, pixel by pixel and channel by channel."""
    kernel, bias = module.conv.weight[:, 0], module.conv.bias
    output = torch.zeros_like(x)
    states = torch.zeros(x.shape[1], module.log_rates.shape[1], dtype=x.dtype)
    rank, state, _ = module.split_sizes
    for t in range(len(x)):
        terms = [kernel[:, -1 - back] * x[t - back] for back in range(min(kernel.shape[1], t + 1))]
        u = F.silu(sum(terms) + bias)
        selection = module.select.weight @ u
        step = F.softplus(module.step.weight @ selection[:rank] + module.step.bias)
        b, c = selection[rank : rank + state], selection[rank + state :]
        for channel in range(x.shape[1]):
            decay = torch.exp(-step[channel] * module.log_rates[channel].exp())
            states[channel] = decay * states[channel] + step[channel] * b * u[channel]
            output[t, channel] = c @ states[channel] + module.skip[channel] * u[channel]
    return output


@torch.no_grad()
def test_selective_state_space_equals_its_definition() -> None:
    torch.manual_seed(2)
    module = SelectiveStateSpace(6, 5, 2, 3).double()
    nn.init.normal_(module.skip)
    module.log_rates += torch.randn(6, 5) / 2
    x = torch.randn(1, 21, 6, dtype=torch.float64)
    torch.testing.assert_close(module(x)[0], apply_by_definition(module, x[0]), rtol=1e-10, atol=1e-10)


def test_initialisation_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    module = SelectiveStateSpace(4096, 4, 2, 4)
    torch.testing.assert_close(module.log_rates.exp(), torch.arange(1.0, 5).expand(4096, 4))
    initial_steps = F.softplus(module.step.bias)
    assert 0.999e-3 < initial_steps.min() < 1.01e-3
    assert 0.99e-1 < initial_steps.max() < 1.001e-1
    assert initial_steps.log().mean().exp().item() == pytest.approx(1e-2, rel=0.05)
    assert torch.equal(module.skip, torch.ones(4096))


class Sum(nn.Module):
    """A stand-in for a selective state space model: the cumulative sum."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(1)


@torch.no_grad()
def test_each_direction_scans_in_its_order() -> None:
    pixel = torch.zeros(1, 1, 3, 4)
    pixel[0, 0, 1, 2] = 1
    expected = {
        (1, 1): [[0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]],
        (1, -1): [[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0]],
        (0, 1): [[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1]],
        (0, -1): [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 0]],
    }
    for order, mask in expected.items():
        model = StateSpace(1, 1, 1, 1, [order])
        model.norm, model.enter, model.leave = nn.Identity(), nn.Linear(1, 2, bias=False), nn.Identity()
        model.enter.weight.fill_(1)
        model.directions[0] = Sum()
        # The gates depend on each pixel's own value, so they are opened.
        hook = model.enter.register_forward_hook(
            lambda _, __, output: torch.cat((output[..., :1], output[..., 1:] * 0 + 9), -1)
        )
        difference = (model(pixel) - pixel)[0, 0]
        hook.remove()
        assert (difference > 1).int().tolist() == mask


def test_memory_grows_linearly_with_the_number_of_pixels() -> None:
    """A quadratic algorithm would need sixteen times as much for four times the pixels."""
    model = StateSpace(16, 16, 2, 4, [[1, 1], [1, -1]])
    small, large = (measure_workspace_elements(model, [torch.randn(1, 16, n, n)]) for n in (32, 64))
    assert large < 6 * small
