"""Living: how many values are alive at one time while a module runs, as far as it makes them itself."""

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
    """Counts the values of every storage that is made inside it, from its first tensor to the end of its last."""

    def __init__(self, ignored: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.peak = 0
        self._live = 0
        self._ignored_storages = {get_storage_id(tensor) for tensor in ignored}
        self._tensor_counts: Counter[int] = Counter()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and (storage := get_storage_id(tensor)) not in self._ignored_storages:
                self._track(tensor, storage)
        return made

    def _track(self, tensor: Tensor, storage: int) -> None:
        values = tensor.untyped_storage().nbytes() // tensor.element_size()
        self._live += 0 if self._tensor_counts[storage] else values
        self._tensor_counts[storage] += 1
        self.peak = max(self.peak, self._live)
        weakref.finalize(tensor, self._release, storage, values)

    def _release(self, storage: int, num_elements: int) -> None:
        self._tensor_counts[storage] -= 1
        self._live -= 0 if self._tensor_counts[storage] else num_elements


def get_storage_id(tensor: Tensor) -> int:
    """What tells a tensor's storage from others; tensors without data have no address."""
    return int(tensor.untyped_storage()._cdata)


def measure_workspace_elements(module: torch.nn.Module, inputs: list[Tensor]) -> int:
    """The most values that a module holds beside its inputs, its parameters and what it returns."""
    with torch.no_grad(), LiveElementCounter([*inputs, *module.parameters(), *module.buffers()]) as living:
        outputs = module(*inputs)
    values: list[Tensor] = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    returned = {get_storage_id(value): value.numel() for value in values}
    beside: int = living.peak - sum(returned.values())
    return max(beside, 0)
