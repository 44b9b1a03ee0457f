"""Measure how many elements a module holds at one time while it runs."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveElementCounter(TorchDispatchMode):
    """Counts the live elements of all storages that are allocated while it is active.

    Args:
        ignored: Tensors whose storages do not count.

    Attributes:
        peak: The largest number of live elements so far.
    """

    def __init__(self, ignored: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.peak = 0
        self._live = 0
        self._ignored_storages = {get_storage_id(tensor) for tensor in ignored}
        self._tensor_counts: Counter[int] = Counter()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (storage := get_storage_id(tensor)) not in self._ignored_storages:
                self._track(tensor, storage)
        return result

    def _track(self, tensor: Tensor, storage: int) -> None:
        num_elements = tensor.untyped_storage().nbytes() // tensor.element_size()
        self._live += 0 if self._tensor_counts[storage] else num_elements
        self._tensor_counts[storage] += 1
        self.peak = max(self.peak, self._live)
        weakref.finalize(tensor, self._release, storage, num_elements)

    def _release(self, storage: int, num_elements: int) -> None:
        self._tensor_counts[storage] -= 1
        self._live -= 0 if self._tensor_counts[storage] else num_elements


def get_storage_id(tensor: Tensor) -> int:
    """Return a number that identifies a tensor's storage, also for tensors without data, which have no address."""
    return int(tensor.untyped_storage()._cdata)


def measure_workspace_elements(module: torch.nn.Module, inputs: list[Tensor]) -> int:
    """Return the peak number of elements that a module holds besides its inputs, parameters and outputs.

    Args:
        module: The module.
        inputs: The inputs, ``(batch, c, *size)`` each.

    Returns:
        The number of elements.
    """
    with torch.no_grad(), LiveElementCounter([*inputs, *module.parameters(), *module.buffers()]) as counter:
        outputs = module(*inputs)
    values: list[Tensor] = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    output_sizes = {get_storage_id(value): value.numel() for value in values}
    workspace: int = counter.peak - sum(output_sizes.values())
    return max(workspace, 0)
