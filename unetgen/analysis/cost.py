"""What a network costs: parameters and multiply-adds, by node, by level and in all.

Parameters are counted once each, however often their layer is applied. MACs are those of convolutions,
transposed convolutions and matrix products, as torch's FlopCounterMode counts them; a FLOP is half a MAC.
Norms, activations, poolings, interpolations, additions and biases count as nothing there, and so here.
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
        """Two for each multiply-add."""
        return 2 * self.macs

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.params + other.params, self.macs + other.macs)


ZERO_COST = Cost(0, 0)


def node_cost(node: Node, sizes: Sequence[Size]) -> Cost:
    """The cost of one node; a layer applied again costs no parameters."""
    own = node.op.parameters() if node.path == node.layer_path else ()
    macs = node.op.macs(sizes[node.inputs[0]], sizes[node.index]) if node.inputs else 0
    return Cost(sum(prod(parameter.shape) for parameter in own), macs)


def total_cost(graph: Graph, sizes: Sequence[Size]) -> Cost:
    """The cost of the whole network."""
    return Cost(
        count_parameters(graph), sum(node.op.macs(sizes[node.inputs[0]], sizes[node.index]) for node in graph.nodes[1:])
    )


def level_costs(graph: Graph, sizes: Sequence[Size]) -> dict[tuple[str, int], Cost]:
    """The cost of each level on each side, in the order in which they run."""
    costs: dict[tuple[str, int], Cost] = {}
    for node in graph.nodes[1:]:
        key = (node.side, node.level)
        costs[key] = costs.get(key, ZERO_COST) + node_cost(node, sizes)
    return costs


def count_parameters(graph: Graph) -> int:
    """The number of parameters, which no input size changes."""
    own = (node.op.parameters() for node in graph.nodes if node.layer_path == node.path)
    return sum(prod(parameter.shape) for parameters in own for parameter in parameters)
