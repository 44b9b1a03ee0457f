"""Compute the cost of a network: parameters and multiply-adds (MACs), by node, by level and in total.

Parameters are counted once each, however often their layer is applied. MACs are those of convolutions,
transposed convolutions and matrix products, as torch's FlopCounterMode counts them; a MAC is two FLOPs.
Norms, activations, poolings, interpolations, additions and biases are not counted, as in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops.base import Size


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and multiply-adds for one sample."""

    params: int
    macs: int

    @property
    def flops(self) -> int:
        """The number of floating-point operations: two per multiply-add."""
        return 2 * self.macs

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.params + other.params, self.macs + other.macs)


ZERO_COST = Cost(0, 0)


def node_cost(node: Node, sizes: Sequence[Size]) -> Cost:
    """Return the cost of one node. The parameters of a shared layer count at its first node only.

    Args:
        node: The node.
        sizes: The size of every node's output.

    Returns:
        The cost for one sample.
    """
    parameters = node.op.parameters() if node.path == node.layer_path else ()
    macs = node.op.macs(sizes[node.inputs[0]], sizes[node.index]) if node.inputs else 0
    return Cost(sum(prod(parameter.shape) for parameter in parameters), macs)


def total_cost(graph: Graph, sizes: Sequence[Size]) -> Cost:
    """Return the cost of the network for one sample; ``sizes`` are those of every node's output."""
    return Cost(
        count_parameters(graph), sum(node.op.macs(sizes[node.inputs[0]], sizes[node.index]) for node in graph.nodes[1:])
    )


def level_costs(graph: Graph, sizes: Sequence[Size]) -> dict[tuple[str, int], Cost]:
    """Return the cost of each (side, level), in the order of execution.

    Args:
        graph: The graph.
        sizes: The size of every node's output.

    Returns:
        The costs for one sample.
    """
    costs: dict[tuple[str, int], Cost] = {}
    for node in graph.nodes[1:]:
        key = (node.side, node.level)
        costs[key] = costs.get(key, ZERO_COST) + node_cost(node, sizes)
    return costs


def count_parameters(graph: Graph) -> int:
    """Return the number of parameters, which does not depend on the input size."""
    layers = (node.op.parameters() for node in graph.nodes if node.layer_path == node.path)
    return sum(prod(parameter.shape) for parameters in layers for parameter in parameters)
