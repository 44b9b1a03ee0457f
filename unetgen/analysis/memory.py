"""How many bytes the maps of a network take: an estimate, since kernels have workspaces of their own.

Inference: the most that is alive at one time when each map is freed after its last use. Training: what autograd
keeps for the backward pass. Parameters, gradients and optimiser states are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from unetgen.graph.graph import Graph
from unetgen.graph.liveness import inplace_nodes, storage_roots
from unetgen.graph.node import Node
from unetgen.graph.ops.base import Shape, Size


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of maps for a batch: at the peak of an inference, and kept by a training step."""

    inference: int
    training: int


def estimate_memory(graph: Graph, sizes: Sequence[Size], batch_size: int = 1, bytes_per_value: int = 4) -> Memory:
    """The estimate for a batch of ``batch`` samples of ``item`` bytes a value."""
    shapes = [(batch_size, node.channels, *size) for node, size in zip(graph.nodes, sizes, strict=True)]
    peak = _peak_live_elements(graph, shapes, storage_roots(graph, sizes))
    kept = _saved_elements(graph, shapes, storage_roots(graph, sizes, training=True))
    return Memory(peak * bytes_per_value, kept * bytes_per_value)


def _peak_live_elements(graph: Graph, shapes: Sequence[Shape], storage_roots: Sequence[int]) -> int:
    """The most values alive at one time."""
    last = dict.fromkeys(storage_roots, 0)
    for node in graph.nodes:
        last[storage_roots[node.index]] = max(last[storage_roots[node.index]], graph.last_use[node.index])
    last[0] = len(graph.nodes)  # the caller holds the image
    ending: dict[int, list[int]] = {}
    for home, end in last.items():
        ending.setdefault(end, []).append(home)
    alive = peak = 0
    for node in graph.nodes:
        alive += prod(shapes[node.index]) if storage_roots[node.index] == node.index else 0
        working = node.op.workspace_elements(shapes[node.inputs[0]], shapes[node.index]) if node.inputs else 0
        peak = max(peak, alive + working)
        alive -= sum(prod(shapes[home]) for home in ending.get(node.index, ()))
    return peak


def _saved_elements(graph: Graph, shapes: Sequence[Shape], storage_roots: Sequence[int]) -> int:
    """The values that autograd keeps: whole maps once each, and what ops keep beside them.

    A checkpointed module keeps what goes into it; of all such the largest is added, as it is when it is computed
    again.
    """
    in_place = inplace_nodes(graph)
    kept: dict[str, set[int]] = {"": {storage_roots[index] for index in graph.output_nodes}}
    beside: dict[str, int] = {}
    for node in graph.nodes[1:]:
        module = graph.checkpoint_scopes[node.index]
        beside[module] = beside.get(module, 0) + node.op.extra_saved_elements(
            shapes[node.inputs[0]], shapes[node.index]
        )
        if module:
            kept[""].update(
                storage_roots[i] for i in node.inputs if graph.checkpoint_scopes[i] != module and storage_roots[i] != 0
            )
        for index in _saved_nodes(node, in_place):
            # No gradient flows to the image, so only what has parameters keeps it.
            if storage_roots[index] != 0 or node.op.parameters():
                kept.setdefault(module, set()).add(storage_roots[index])
    totals = {module: beside.get(module, 0) for module in {*kept, *beside}}
    for module, indices in kept.items():
        totals[module] += sum(prod(shapes[index]) for index in indices - (kept[""] if module else set()))
    return totals.pop("") + max(totals.values(), default=0)


def _saved_nodes(node: Node, in_place: frozenset[int]) -> tuple[int, ...]:
    kept = node.op.saved_for_backward
    if kept == "either":
        kept = "output" if node.index in in_place else "input"
    if kept in ("output", "all"):
        return (node.index, *(node.inputs if kept == "all" else ()))
    if kept == "inputs":
        return node.inputs
    return node.inputs[:1] if kept else ()
