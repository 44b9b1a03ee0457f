"""Estimate the memory of a network's feature maps. Workspaces of kernels are not known, so it is an estimate.

Inference memory is the peak of live feature maps if each is freed after its last use. Training memory is what autograd
saves for the backward pass. Parameters, gradients and optimizer states are not included.
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
    """The memory of feature maps for a batch, in bytes: the peak in inference, and what a training step saves."""

    inference: int
    training: int


def estimate_memory(graph: Graph, sizes: Sequence[Size], batch_size: int = 1, bytes_per_value: int = 4) -> Memory:
    """Estimate the memory of feature maps.

    Args:
        graph: The graph.
        sizes: The size of every node's output.
        batch_size: The number of samples.
        bytes_per_value: The bytes of one element, 4 for float32.

    Returns:
        The memory in bytes.
    """
    shapes = [(batch_size, node.channels, *size) for node, size in zip(graph.nodes, sizes, strict=True)]
    peak = _peak_live_elements(graph, shapes, storage_roots(graph, sizes))
    saved = _saved_elements(graph, shapes, storage_roots(graph, sizes, training=True))
    return Memory(peak * bytes_per_value, saved * bytes_per_value)


def _peak_live_elements(graph: Graph, shapes: Sequence[Shape], storage_roots: Sequence[int]) -> int:
    """Return the peak number of live elements."""
    last_use = dict.fromkeys(storage_roots, 0)
    for node in graph.nodes:
        last_use[storage_roots[node.index]] = max(last_use[storage_roots[node.index]], graph.last_use[node.index])
    last_use[0] = len(graph.nodes)  # the caller holds the image
    freed_after: dict[int, list[int]] = {}
    for root, end in last_use.items():
        freed_after.setdefault(end, []).append(root)
    live = peak = 0
    for node in graph.nodes:
        live += prod(shapes[node.index]) if storage_roots[node.index] == node.index else 0
        workspace = node.op.workspace_elements(shapes[node.inputs[0]], shapes[node.index]) if node.inputs else 0
        peak = max(peak, live + workspace)
        live -= sum(prod(shapes[root]) for root in freed_after.get(node.index, ()))
    return peak


def _saved_elements(graph: Graph, shapes: Sequence[Shape], storage_roots: Sequence[int]) -> int:
    """Return the number of elements that autograd saves: feature maps once each, and the extra elements of ops.

    Of a checkpointed module only the inputs are saved. The largest such module is added, as at its recomputation.
    """
    in_place = inplace_nodes(graph)
    saved: dict[str, set[int]] = {"": {storage_roots[index] for index in graph.output_nodes}}
    extra: dict[str, int] = {}
    for node in graph.nodes[1:]:
        module = graph.checkpoint_scopes[node.index]
        extra[module] = extra.get(module, 0) + node.op.extra_saved_elements(shapes[node.inputs[0]], shapes[node.index])
        if module:
            saved[""].update(
                storage_roots[i] for i in node.inputs if graph.checkpoint_scopes[i] != module and storage_roots[i] != 0
            )
        for index in _saved_nodes(node, in_place):
            # No gradient flows to the image, so only layers with parameters save it.
            if storage_roots[index] != 0 or node.op.parameters():
                saved.setdefault(module, set()).add(storage_roots[index])
    totals = {module: extra.get(module, 0) for module in {*saved, *extra}}
    for module, indices in saved.items():
        totals[module] += sum(prod(shapes[index]) for index in indices - (saved[""] if module else set()))
    return totals.pop("") + max(totals.values(), default=0)


def _saved_nodes(node: Node, in_place: frozenset[int]) -> tuple[int, ...]:
    saved = node.op.saved_for_backward
    if saved == "either":
        saved = "output" if node.index in in_place else "input"
    if saved in ("output", "all"):
        return (node.index, *(node.inputs if saved == "all" else ()))
    if saved == "inputs":
        return node.inputs
    return node.inputs[:1] if saved else ()
