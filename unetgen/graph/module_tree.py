"""The module tree of a graph: the children, inputs, outputs and call order of each module, as data.

The tree follows the nodes' paths. ``network/`` builds modules from it, ``outputs/source/`` writes their source code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from unetgen.graph.graph import Graph
from unetgen.graph.node import Node


class ChildCall(NamedTuple):
    """One call of a child module.

    Attributes:
        child: The child's name.
        inputs: The nodes whose outputs are passed to it.
        outputs: The nodes whose outputs it returns.
        last_used: The inputs that no later call reads.
    """

    child: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    last_used: tuple[int, ...]


@dataclass(slots=True)
class ModuleNode:
    """A module that contains other modules. Its children are such modules, or nodes for layers."""

    path: str
    label: str
    inputs: tuple[int, ...]
    """The nodes outside whose outputs are passed to it, in the order of their first use."""
    outputs: tuple[int, ...] = ()
    """The nodes whose outputs it returns."""
    calls: list[ChildCall] = field(default_factory=list)
    children: dict[str, ModuleNode | Node] = field(default_factory=dict)

    @property
    def values(self) -> tuple[int, ...]:
        """All nodes whose outputs are used here: the inputs, then the outputs of the children, in order."""
        return tuple(dict.fromkeys((*self.inputs, *(index for call in self.calls for index in call.outputs))))


def build_module_tree(graph: Graph) -> ModuleNode:
    """Return the module tree of a graph.

    Raises:
        ValueError: If a scope was closed and entered again.
    """
    return _build_module_node(graph, "", graph.nodes[1:])


def _build_module_node(graph: Graph, path: str, nodes: Sequence[Node]) -> ModuleNode:
    inside = {node.index for node in nodes}
    inputs = dict.fromkeys(i for node in nodes for i in node.inputs if i not in inside)
    outputs = _external_outputs(graph, nodes) if path else graph.output_nodes
    module = ModuleNode(path, graph.labels.get(path, "Scope"), tuple(inputs), tuple(outputs))
    calls = []
    for name, child_nodes in _group_by_child(path, nodes):
        child_path = f"{path}.{name}" if path else name
        is_layer = child_nodes[0].path == child_path
        module.children[name] = child_nodes[0] if is_layer else _build_module_node(graph, child_path, child_nodes)
        calls.append((name, _external_inputs(child_nodes), _external_outputs(graph, child_nodes)))
    module.calls = _child_calls(calls, outputs)
    return module


def _external_inputs(nodes: Sequence[Node]) -> list[int]:
    """Return the nodes outside that a child reads. A layer reads in its own order, and may read one node twice."""
    if len(nodes) == 1:
        return list(nodes[0].inputs)
    inside = {node.index for node in nodes}
    return list(dict.fromkeys(i for node in nodes for i in node.inputs if i not in inside))


def _external_outputs(graph: Graph, nodes: Sequence[Node]) -> list[int]:
    """Return the nodes of a module whose outputs are read outside it."""
    inside = {node.index for node in nodes}
    return [
        node.index
        for node in nodes
        if node.index in graph.output_nodes or any(reader not in inside for reader in graph.consumers[node.index])
    ]


def _child_calls(calls: Sequence[tuple[str, list[int], list[int]]], results: Sequence[int]) -> list[ChildCall]:
    last_call = {index: position for position, (_, inputs, _) in enumerate(calls) for index in inputs}
    child_calls = []
    for position, (child, inputs, outputs) in enumerate(calls):
        last_used = [i for i in dict.fromkeys(inputs) if last_call[i] == position and i not in results]
        child_calls.append(ChildCall(child, tuple(inputs), tuple(outputs), tuple(last_used)))
    return child_calls


def _group_by_child(path: str, nodes: Sequence[Node]) -> list[tuple[str, list[Node]]]:
    """Return the nodes by the next name in their paths. A child is called once, so its nodes must be consecutive."""
    depth = path.count(".") + 1 if path else 0
    groups: list[tuple[str, list[Node]]] = []
    for node in nodes:
        name = node.path.split(".")[depth]
        if not groups or groups[-1][0] != name:
            if any(name == other for other, _ in groups):
                raise ValueError(
                    f"{node.path} is added after its scope was closed; add all ops of a scope in one 'with'"
                )
            groups.append((name, []))
        groups[-1][1].append(node)
    return groups
