"""Run a part of the graph as a module that releases each feature map after its last use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.utils.checkpoint import checkpoint


class Step(NamedTuple):
    """One call of a child: indices of the values it reads, of its results, and of values that it uses last."""

    child: str
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    last_used: tuple[int, ...]


class Scope(nn.Module):
    """A module that calls its children in graph order.

    Values are numbered: first the inputs, in the order of their first use, then the results of each step.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label
        self._steps: tuple[Step, ...] = ()
        self._output_indices: tuple[int, ...] = ()
        self._num_values = 0
        # Layers of another scope that are applied here too; in lists, so that torch does not register them twice.
        self._shared_layers: dict[str, list[nn.Module]] = {}
        # Whether inner feature maps are recomputed in the backward pass instead of kept.
        self._is_checkpointed = False

    def forward(self, *maps: Tensor) -> Tensor | tuple[Tensor, ...]:
        results = self._run(list(maps))
        return results[0] if len(results) == 1 else results

    def _run(self, values: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Run the steps on values without other references, so that memory is released as early as possible."""
        if self._is_checkpointed and torch.is_grad_enabled():
            return run_checkpointed(self, values)
        return self._run_steps(values)

    def _run_steps(self, values: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Run the steps without checkpointing."""
        values += [None] * (self._num_values - len(values))
        children: dict[str, Any] = self._modules  # nn.Module.__getattr__ takes longer than a ReLU
        for child, sources, targets, last_used in self._steps:
            module: Any = children[child] if child in children else self._shared_layers[child][0]
            inputs = [values[source] for source in sources]
            for index in last_used:
                values[index] = None
            is_direct = isinstance(module, Scope) and module._has_default_call()
            result: Any = module._run(inputs) if is_direct else module(*inputs)
            if len(targets) == 1:
                values[targets[0]] = result[0] if is_direct else result
            else:
                for position, target in enumerate(targets):
                    values[target] = result[position]
            del result
            del inputs
        return tuple([values[index] for index in self._output_indices])  # type: ignore[misc]  # all are computed by now

    def _has_default_call(self) -> bool:
        """Return whether a call only runs the steps: no hooks, not patched, not compiled by itself."""
        return not (
            "forward" in self.__dict__
            or self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or self._compiled_call_impl
            or _has_any_global_hook()  # type: ignore[no-untyped-call]  # torch has no types here
        )

    def _get_name(self) -> str:
        return self._label


def replace_module(root: nn.Module, path: str, replacement: nn.Module) -> None:
    """Replace the module at a path, everywhere it is applied."""
    parent, _, name = path.rpartition(".")
    old = root.get_submodule(path)
    root.get_submodule(parent).add_module(name, replacement.train(old.training))
    for scope in root.modules():
        if isinstance(scope, Scope):
            for shared in scope._shared_layers.values():
                shared[:] = [replacement if module is old else module for module in shared]


def run_checkpointed(scope: Scope, values: list[Tensor | None]) -> tuple[Tensor, ...]:
    """Run a scope without keeping its inner feature maps for the backward pass (Chen et al. 2016)."""
    # The compiler recomputes traced code by its own rules, which do not update statistics twice.
    is_tracing = torch.compiler.is_compiling()
    options: dict[str, Any] = (
        {} if is_tracing else {"context_fn": lambda: (nullcontext(), _preserve_running_statistics(scope))}
    )
    results: tuple[Tensor, ...] = checkpoint(
        lambda *maps: scope._run_steps(list(maps)), *values, use_reentrant=False, **options
    )
    return results


@contextmanager
def _preserve_running_statistics(scope: Scope) -> Iterator[None]:
    """Keep running statistics unchanged while feature maps are recomputed."""
    norms = [m for m in scope.modules() if isinstance(m, nn.modules.batchnorm._NormBase) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.training and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.sub_(1)
