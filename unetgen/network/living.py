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


class Living(TorchDispatchMode):
    """Counts the values of every storage that is made inside it, from its first tensor to the end of its last."""

    def __init__(self, others: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.most = 0
        self._alive = 0
        self._others = {storage_of(tensor) for tensor in others}
        self._tensors: Counter[int] = Counter()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and (storage := storage_of(tensor)) not in self._others:
                self._enter(tensor, storage)
        return made

    def _enter(self, tensor: Tensor, storage: int) -> None:
        values = tensor.untyped_storage().nbytes() // tensor.element_size()
        self._alive += 0 if self._tensors[storage] else values
        self._tensors[storage] += 1
        self.most = max(self.most, self._alive)
        weakref.finalize(tensor, self._leave, storage, values)

    def _leave(self, storage: int, values: int) -> None:
        self._tensors[storage] -= 1
        self._alive -= 0 if self._tensors[storage] else values


def storage_of(tensor: Tensor) -> int:
    """What tells a tensor's storage from others; tensors without data have no address."""
    return int(tensor.untyped_storage()._cdata)


def most_alive(module: torch.nn.Module, inputs: list[Tensor]) -> int:
    """The most values that a module holds beside its inputs, its parameters and what it returns."""
    with torch.no_grad(), Living([*inputs, *module.parameters(), *module.buffers()]) as living:
        outputs = module(*inputs)
    values: list[Tensor] = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    returned = {storage_of(value): value.numel() for value in values}
    beside: int = living.most - sum(returned.values())
    return max(beside, 0)
