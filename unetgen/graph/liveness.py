"""Which maps share memory, and which activations may write over their input."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

from unetgen.graph.graph import Graph
from unetgen.graph.ops import Activation, Dropout
from unetgen.graph.ops.base import Size


def inplace_nodes(graph: Graph) -> frozenset[int]:
    """The activations that can run in place, in training and in evaluation.

    Nobody may read the memory later, the graph's input is not ours to write on, and autograd must not keep
    what would be overwritten, neither as somebody's input nor as its producer's output. What goes into a module that
    is computed again is kept too.
    """
    again = graph.checkpoint_scopes
    roots, chosen = _find_storage_roots(graph, frozenset()), set()
    members: dict[int, list[int]] = {}
    for index, root in enumerate(roots):
        members.setdefault(root, []).append(index)
    for node in graph.nodes[1:]:
        if not (isinstance(node.op, Activation) and node.op.can_run_in_place):
            continue
        root = roots[node.inputs[0]]
        shared = members[root]
        last = max(graph.last_use[index] for index in shared)
        readers = {reader for index in shared for reader in graph.consumers[index]} - {node.index}
        kept = any(
            graph.nodes[reader].op.saved_for_backward in ("input", "inputs", "either", "all") for reader in readers
        )
        made = any(graph.nodes[index].op.saved_for_backward in ("output", "either", "all") for index in shared)
        made = made or any(again[i] and any(again[s] != again[i] for s in shared) for i in (*readers, node.index))
        if root != 0 and last == node.index and not kept and not made:
            chosen.add(node.index)
    return frozenset(chosen)


def storage_roots(graph: Graph, sizes: Sequence[Size], *, training: bool = False) -> tuple[int, ...]:
    """For each node the node whose memory its output lies in; in training a dropout makes a map of its own."""
    own = {n.index for n in graph.nodes if training and isinstance(n.op, Dropout)}
    # What may hand on its very input does not where it makes it larger.
    own |= {n.index for n in graph.nodes[1:] if prod(sizes[n.index]) > prod(sizes[n.inputs[0]])}
    return _find_storage_roots(graph, inplace_nodes(graph), own)


def _find_storage_roots(graph: Graph, inplace: frozenset[int], owners: Collection[int] = ()) -> tuple[int, ...]:
    roots: list[int] = []
    for node in graph.nodes:
        shares = node.index not in owners and (node.op.may_alias_input or node.index in inplace)
        roots.append(roots[node.inputs[0]] if shares else node.index)
    return tuple(roots)
