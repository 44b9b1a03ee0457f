"""Compute which feature maps share memory, and which activations can run in place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

from unetgen.graph.graph import Graph
from unetgen.graph.ops import Activation, Dropout
from unetgen.graph.ops.base import Size


def inplace_nodes(graph: Graph) -> frozenset[int]:
    """Return the activations that can run in place, in training and in evaluation.

    An activation runs in place only if no later node reads the memory, the memory is not the graph's input, and
    autograd has not saved it, as the input of a reader or as the output of its producer. The inputs of a checkpointed
    module are saved too.
    """
    scopes = graph.checkpoint_scopes
    roots, inplace = _find_storage_roots(graph, frozenset()), set()
    members: dict[int, list[int]] = {}
    for index, root in enumerate(roots):
        members.setdefault(root, []).append(index)
    for node in graph.nodes[1:]:
        if not (isinstance(node.op, Activation) and node.op.can_run_in_place):
            continue
        root = roots[node.inputs[0]]
        shared = members[root]
        last_use = max(graph.last_use[index] for index in shared)
        readers = {reader for index in shared for reader in graph.consumers[index]} - {node.index}
        is_saved = any(
            graph.nodes[reader].op.saved_for_backward in ("input", "inputs", "either", "all") for reader in readers
        )
        is_saved = is_saved or any(
            graph.nodes[index].op.saved_for_backward in ("output", "either", "all") for index in shared
        )
        is_saved = is_saved or any(
            scopes[i] and any(scopes[s] != scopes[i] for s in shared) for i in (*readers, node.index)
        )
        if root != 0 and last_use == node.index and not is_saved:
            inplace.add(node.index)
    return frozenset(inplace)


def storage_roots(graph: Graph, sizes: Sequence[Size], *, training: bool = False) -> tuple[int, ...]:
    """Return for each node the node that allocated the memory of its output.

    Args:
        graph: The graph.
        sizes: The size of every node's output.
        training: Whether the network trains; a dropout then allocates its output.

    Returns:
        The index of a node for each node.
    """
    owners = {n.index for n in graph.nodes if training and isinstance(n.op, Dropout)}
    # An op that may return its input itself allocates an output if that is larger.
    owners |= {n.index for n in graph.nodes[1:] if prod(sizes[n.index]) > prod(sizes[n.inputs[0]])}
    return _find_storage_roots(graph, inplace_nodes(graph), owners)


def _find_storage_roots(graph: Graph, inplace: frozenset[int], owners: Collection[int] = ()) -> tuple[int, ...]:
    roots: list[int] = []
    for node in graph.nodes:
        shares = node.index not in owners and (node.op.may_alias_input or node.index in inplace)
        roots.append(roots[node.inputs[0]] if shares else node.index)
    return tuple(roots)
