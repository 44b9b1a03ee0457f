"""Scope: a module that runs a stretch of the graph, and drops each map after its last use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.utils.checkpoint import checkpoint


class Step(NamedTuple):
    """One call: which child, on which of the scope's values, where its results go, and what is then done with."""

    child: str
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    last_used: tuple[int, ...]


class Scope(nn.Module):
    """The values that come in have the first numbers, in the order of their first use; each step adds its own."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label
        self._steps: tuple[Step, ...] = ()
        self._output_indices: tuple[int, ...] = ()
        self._num_values = 0
        # Layers that belong to another scope and are applied here too, out of the module tree's sight.
        self._shared_layers: dict[str, list[nn.Module]] = {}
        # Whether its maps are computed again in the backward pass, not kept.
        self._is_checkpointed = False

    def forward(self, *maps: Tensor) -> Tensor | tuple[Tensor, ...]:
        results = self._run(list(maps))
        return results[0] if len(results) == 1 else results

    def _run(self, values: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Runs the steps on values that nobody else holds, so that memory is free as soon as it can be."""
        if self._is_checkpointed and torch.is_grad_enabled():
            return run_checkpointed(self, values)
        return self._run_steps(values)

    def _run_steps(self, values: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Runs the steps."""
        values += [None] * (self._num_values - len(values))
        children: dict[str, Any] = self._modules  # asking a module for its children by name takes longer than a ReLU
        for child, sources, targets, done in self._steps:
            module: Any = children[child] if child in children else self._shared_layers[child][0]
            given = [values[source] for source in sources]
            for index in done:
                values[index] = None
            whole = isinstance(module, Scope) and module._has_default_call()
            made: Any = module._run(given) if whole else module(*given)
            if len(targets) == 1:
                values[targets[0]] = made[0] if whole else made
            else:
                for place, target in enumerate(targets):
                    values[target] = made[place]
            del made
            del given
        return tuple([values[index] for index in self._output_indices])  # type: ignore[misc]  # all are made by now

    def _has_default_call(self) -> bool:
        """Whether calling this module would only run its steps: no hooks, not patched, not compiled by itself."""
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
    """Puts another module in the place of one, and wherever else that is applied."""
    parent, _, name = path.rpartition(".")
    old = root.get_submodule(path)
    root.get_submodule(parent).add_module(name, replacement.train(old.training))
    for scope in root.modules():
        if isinstance(scope, Scope):
            for borrowed in scope._shared_layers.values():
                borrowed[:] = [replacement if module is old else module for module in borrowed]


def run_checkpointed(scope: Scope, values: list[Tensor | None]) -> tuple[Tensor, ...]:
    """What a scope makes, none of whose inner maps is kept for the backward pass (Chen et al. 2016)."""
    # What is traced is computed once more by the compiler's own rules, which leave statistics alone.
    tracing = torch.compiler.is_compiling()
    more: dict[str, Any] = (
        {} if tracing else {"context_fn": lambda: (nullcontext(), _preserve_running_statistics(scope))}
    )
    results: tuple[Tensor, ...] = checkpoint(
        lambda *maps: scope._run_steps(list(maps)), *values, use_reentrant=False, **more
    )
    return results


@contextmanager
def _preserve_running_statistics(scope: Scope) -> Iterator[None]:
    """The second time that maps are computed they do not count in running statistics."""
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
