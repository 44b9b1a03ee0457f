"""Measure parameters and costs of third-party modules on torch's meta device, with a cache."""

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
    """Return the learned tensors of a module, in the order in which torch registers them.

    Args:
        call: The module's class or factory, and its arguments.
        origin: The module's path, part and provider, for errors.

    Returns:
        The tensors.

    Raises:
        PluginError: If the module cannot be created.
    """
    module = _instantiate_on_meta(_CallKey(call, origin))
    return tuple(Parameter(name, tuple(tensor.shape), "own") for name, tensor in module.named_parameters())


def profile_module(call: Call, inputs: tuple[Shape, ...], origin: str) -> ModuleProfile:
    """Return shapes and costs of one forward pass, for one sample.

    Args:
        call: The module's class or factory, and its arguments.
        inputs: The shapes of the inputs, ``(channels, *size)`` each.
        origin: The module's path, part and provider, for errors.

    Returns:
        The profile.

    Raises:
        PluginError: If the module cannot be created or run.
    """
    return _profile_module(_CallKey(call, origin), inputs)


def instantiate(call: Call, origin: str) -> nn.Module:
    """Create the module of a call on torch's default device. Raises PluginError if that fails."""
    try:
        return _validate_module(import_target(call.target)(**call.arguments))
    except Exception as error:
        if _needs_real_data(error):
            return _instantiate_on_cpu(call, origin)
        raise _plugin_error(error, origin, f"creating {call.target}") from error


def _needs_real_data(error: Exception) -> bool:
    """Return whether a module failed because it reads tensor values, which do not exist on the meta device."""
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
        raise _plugin_error(error, origin, f"creating {call.target}") from error


def _validate_module(module: Any) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise TypeError(f"the target returned a {type(module).__name__}, not an nn.Module")
    return module


def _plugin_error(error: Exception, origin: str, activity: str) -> PluginError:
    return PluginError.from_failure(f"{origin} failed while {activity}: {format_exception_line(error)}")


class _CallKey:
    """A cache key: calls with equal targets and arguments create equal modules. Failures are not cached."""

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
    """Profile on the CPU what the meta device does not support, such as some kernels and autocast."""
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
    leaves = [torch.zeros((1, *shape), device=device, requires_grad=True) for shape in inputs]
    # Views, since torch would reject an in-place change of a leaf with an unrelated message.
    views = [leaf.view_as(leaf) for leaf in leaves]
    with FlopCounterMode(display=False) as counter, _track_saved_elements(module) as saved:
        outputs = module(*views)
    values = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs_and_outputs = {get_storage_id(tensor) for tensor in (*views, *values)}
    extra = sum(count for storage, count in saved.items() if storage not in inputs_and_outputs)
    workspace = measure_workspace_elements(module, [torch.zeros((1, *shape), device=device) for shape in inputs])
    shapes = tuple(tuple(value.shape[1:]) for value in values)
    return ModuleProfile(shapes, counter.get_total_flops() // 2, extra, workspace)


@contextmanager
def _track_saved_elements(module: nn.Module) -> Iterator[dict[int, int]]:
    """Count the elements that autograd saves while the block runs, by storage, without those of the module itself."""
    module_storages = {get_storage_id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    saved: dict[int, int] = {}
    references: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = get_storage_id(tensor)
        if storage not in module_storages:
            references.append(tensor)  # so that no other storage gets its address
            saved[storage] = max(saved.get(storage, 0), tensor.numel())
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield saved
