"""What a stranger's module has and costs, measured on torch's meta device and remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from unetgen.errors import PluginError, format_exception_line
from unetgen.graph.external.live_memory import get_storage_id, measure_workspace_elements
from unetgen.graph.external.module_profile import ModuleProfile
from unetgen.graph.external.targets import import_target
from unetgen.graph.ops import Call, Parameter
from unetgen.graph.ops.base import Shape


def read_parameters(call: Call, origin: str) -> tuple[Parameter, ...]:
    """The learned tensors of a module, in the order in which torch registers them. Raises PluginError."""
    module = _instantiate_on_meta(_CallKey(call, origin))
    return tuple(Parameter(name, tuple(tensor.shape), "own") for name, tensor in module.named_parameters())


def profile_module(call: Call, inputs: tuple[Shape, ...], origin: str) -> ModuleProfile:
    """One pass over maps of these shapes, (channels, *size) each, for one sample. Raises PluginError."""
    return _profile_module(_CallKey(call, origin), inputs)


def instantiate(call: Call, origin: str) -> nn.Module:
    """The module of a call on torch's default device. Raises PluginError where it cannot be made."""
    try:
        return _validate_module(import_target(call.target)(**call.arguments))
    except Exception as error:
        if _needs_real_data(error):
            return _instantiate_on_cpu(call, origin)
        raise _plugin_error(error, origin, f"making {call.target}") from error


def _needs_real_data(error: Exception) -> bool:
    """Whether a module reckons with the values of tensors while it is made, which have none on the meta device."""
    on_meta = torch.get_default_device().type == "meta"
    return isinstance(error, NotImplementedError) or (
        isinstance(error, RuntimeError) and on_meta and "meta" in str(error)
    )


def _instantiate_on_cpu(call: Call, origin: str) -> nn.Module:
    device = torch.get_default_device()
    try:
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            return _validate_module(import_target(call.target)(**call.arguments)).to(device)
    except Exception as error:
        raise _plugin_error(error, origin, f"making {call.target}") from error


def _validate_module(module: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise TypeError(f"it made a {type(module).__name__}, not an nn.Module")
    return module


def _plugin_error(error: Exception, origin: str, activity: str) -> PluginError:
    return PluginError.from_failure(f"{origin} failed while {activity}: {format_exception_line(error)}")


class _CallKey:
    """A call that can be looked up: calls with equal texts make equal modules, whoever asks. Failures are not kept."""

    __slots__ = ("call", "origin", "text")

    def __init__(self, call: Call, origin: str) -> None:
        self.call = call
        self.origin = origin
        self.text = f"{call.target} {sorted(call.arguments.items())!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _CallKey) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


@lru_cache(maxsize=256)
def _instantiate_on_meta(key: _CallKey) -> nn.Module:
    with torch.device("meta"):
        return instantiate(key.call, key.origin).eval()


@lru_cache(maxsize=4096)
def _profile_module(key: _CallKey, inputs: tuple[Shape, ...]) -> ModuleProfile:
    module = _instantiate_on_meta(key)
    try:
        return _profile_forward(module, inputs, "meta")
    except (NotImplementedError, RuntimeError):
        return _profile_on_cpu(key, inputs)
    except Exception as error:
        raise _forward_error(error, inputs, key.origin) from error


def _profile_on_cpu(key: _CallKey, inputs: tuple[Shape, ...]) -> ModuleProfile:
    """For what the meta device cannot do: some kernels, and asking for a device's autocast."""
    try:
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            return _profile_forward(instantiate(key.call, key.origin).eval(), inputs, "cpu")
    except PluginError:
        raise
    except Exception as error:
        raise _forward_error(error, inputs, key.origin) from error


def _forward_error(error: Exception, inputs: tuple[Shape, ...], origin: str) -> PluginError:
    shapes = " and ".join(" x ".join(map(str, shape)) for shape in inputs)
    return _plugin_error(error, origin, f"running on {shapes}")


def _profile_forward(module: nn.Module, inputs: tuple[Shape, ...], device: str) -> ModuleProfile:
    maps = [torch.zeros((1, *shape), device=device, requires_grad=True) for shape in inputs]
    # The module may not write on its input, and a leaf would refuse that in words of its own.
    given = [x.view_as(x) for x in maps]
    with FlopCounterMode(display=False) as counter, _track_saved_elements(module) as kept:
        outputs = module(*given)
    values = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    whole = {get_storage_id(tensor) for tensor in (*given, *values)}
    rest = sum(count for storage, count in kept.items() if storage not in whole)
    working = measure_workspace_elements(module, [torch.zeros((1, *shape), device=device) for shape in inputs])
    shapes = tuple(tuple(value.shape[1:]) for value in values)
    return ModuleProfile(shapes, counter.get_total_flops() // 2, rest, working)


@contextmanager
def _track_saved_elements(module: nn.Module) -> Iterator[dict[int, int]]:
    """How many values autograd keeps in each storage that is no parameter's, while the block runs."""
    own = {get_storage_id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    found: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = get_storage_id(tensor)
        if storage not in own:
            alive.append(tensor)  # so that no other storage gets its address
            found[storage] = max(found.get(storage, 0), tensor.numel())
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found
