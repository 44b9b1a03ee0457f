"""Branch: a module of the network as data. What it holds, what it is handed, and in which order its children run.

The tree of modules follows the nodes' paths. ``network/`` makes modules of it, ``outputs/source/`` writes them down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from unetgen.graph.graph import Graph
from unetgen.graph.node import Node


class ChildCall(NamedTuple):
    """One call of a child: the nodes whose maps it is given, those it makes, and those nobody reads after it."""

    child: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    last_used: tuple[int, ...]


@dataclass(slots=True)
class ModuleNode:
    """A module above the nodes: ``children`` are branches, or nodes where a layer is."""

    path: str
    label: str
    inputs: tuple[int, ...]
    """The nodes outside whose maps it is given, in the order of their first use."""
    outputs: tuple[int, ...] = ()
    """The nodes whose maps it hands on."""
    calls: list[ChildCall] = field(default_factory=list)
    children: dict[str, ModuleNode | Node] = field(default_factory=dict)

    @property
    def values(self) -> tuple[int, ...]:
        """Every node whose map is handled here: what is given, then what is made, in order."""
        return tuple(dict.fromkeys((*self.inputs, *(index for visit in self.calls for index in visit.outputs))))


def build_module_tree(graph: Graph) -> ModuleNode:
    """The whole network as a branch. Raises ValueError where a scope was left and entered again."""
    return _build_module_node(graph, "", graph.nodes[1:])


def _build_module_node(graph: Graph, path: str, nodes: Sequence[Node]) -> ModuleNode:
    inside = {node.index for node in nodes}
    reads = dict.fromkeys(i for node in nodes for i in node.inputs if i not in inside)
    results = _external_outputs(graph, nodes) if path else graph.output_nodes
    branch = ModuleNode(path, graph.labels.get(path, "Scope"), tuple(reads), tuple(results))
    calls = []
    for name, stretch in _group_by_child(path, nodes):
        inner = f"{path}.{name}" if path else name
        leaf = stretch[0].path == inner
        branch.children[name] = stretch[0] if leaf else _build_module_node(graph, inner, stretch)
        calls.append((name, _external_inputs(stretch), _external_outputs(graph, stretch)))
    branch.calls = list(_child_calls(calls, results))
    return branch


def _external_inputs(nodes: Sequence[Node]) -> list[int]:
    """What a stretch reads from outside. A single op reads in its own order, and may read one map twice."""
    if len(nodes) == 1:
        return list(nodes[0].inputs)
    inside = {node.index for node in nodes}
    return list(dict.fromkeys(i for node in nodes for i in node.inputs if i not in inside))


def _external_outputs(graph: Graph, nodes: Sequence[Node]) -> list[int]:
    """What is made here and read elsewhere."""
    inside = {node.index for node in nodes}
    return [
        node.index
        for node in nodes
        if node.index in graph.output_nodes or any(reader not in inside for reader in graph.consumers[node.index])
    ]


def _child_calls(calls: Sequence[tuple[str, list[int], list[int]]], results: Sequence[int]) -> list[ChildCall]:
    last = {index: position for position, (_, reads, _) in enumerate(calls) for index in reads}
    visits = []
    for position, (child, reads, writes) in enumerate(calls):
        done = [i for i in dict.fromkeys(reads) if last[i] == position and i not in results]
        visits.append(ChildCall(child, tuple(reads), tuple(writes), tuple(done)))
    return visits


def _group_by_child(path: str, nodes: Sequence[Node]) -> list[tuple[str, list[Node]]]:
    """The nodes by the next step of their paths. A child's nodes stand together, or the order would be lost."""
    depth = path.count(".") + 1 if path else 0
    groups: list[tuple[str, list[Node]]] = []
    for node in nodes:
        name = node.path.split(".")[depth]
        if not groups or groups[-1][0] != name:
            if any(name == other for other, _ in groups):
                raise ValueError(f"{node.path} is drawn after its scope was left; draw a scope in one go")
            groups.append((name, []))
        groups[-1][1].append(node)
    return groups
