"""How many bytes the maps of a network take: an estimate, since kernels have workspaces of their own.

Inference: the most that is alive at one time when each map is freed after its last use. Training: what autograd
keeps for the backward pass. Parameters, gradients and optimiser states are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from unetgen.graph.graph import Graph
from unetgen.graph.liveness import storages
from unetgen.graph.ops.base import Size


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of maps for a batch: at the peak of an inference, and kept by a training step."""

    inference: int
    training: int


def memory(graph: Graph, sizes: Sequence[Size], batch: int = 1, item: int = 4) -> Memory:
    """The estimate for a batch of ``batch`` samples of ``item`` bytes a value."""
    elements = [batch * node.channels * prod(size) for node, size in zip(graph.nodes, sizes, strict=True)]
    homes = storages(graph)
    return Memory(_peak(graph, elements, homes) * item, _kept(graph, elements, homes, item))


def _peak(graph: Graph, elements: Sequence[int], homes: Sequence[int]) -> int:
    freed: dict[int, int] = {}
    for node in graph.nodes:
        freed[homes[node.index]] = max(freed.get(homes[node.index], 0), graph.last_use[node.index])
    freed[0] = len(graph.nodes)  # the caller holds the image
    alive = peak = 0
    dying: dict[int, list[int]] = {}
    for home, last in freed.items():
        dying.setdefault(last, []).append(home)
    for node in graph.nodes:
        if homes[node.index] == node.index:
            alive += elements[node.index]
        peak = max(peak, alive)
        alive -= sum(elements[home] for home in dying.get(node.index, ()))
    return peak


def _kept(graph: Graph, elements: Sequence[int], homes: Sequence[int], item: int) -> int:
    kept = {homes[graph.output]}
    extra = 0
    for node in graph.nodes[1:]:
        if node.op.kept in ("input", "inputs"):
            sources = node.inputs if node.op.kept == "inputs" else node.inputs[:1]
            kept.update(_trained(graph, homes, source) for source in sources)
        elif node.op.kept == "output":
            kept.add(_trained(graph, homes, node.index))
        extra += node.op.kept_bytes(elements[node.inputs[0]], elements[node.index], item)
    return sum(elements[home] for home in kept) * item + extra


def _trained(graph: Graph, homes: Sequence[int], index: int) -> int:
    """Where a map lies in training, when a dropout makes a map of its own."""
    node = graph.nodes[index]
    while node.index != homes[index] and node.op.kind != "dropout":
        node = graph.nodes[node.inputs[0]]
    return node.index
