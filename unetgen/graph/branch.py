"""Branch: a module of the network as data. What it holds, what it is handed, and in which order its children run.

The tree of modules follows the nodes' paths. ``network/`` makes modules of it, ``outputs/source/`` writes them down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from unetgen.graph.graph import Graph
from unetgen.graph.node import Node


class Visit(NamedTuple):
    """One call of a child: the nodes whose maps it is given, those it makes, and those nobody reads after it."""

    child: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    done: tuple[int, ...]


@dataclass(slots=True)
class Branch:
    """A module above the nodes: ``children`` are branches, or nodes where a layer is."""

    path: str
    label: str
    reads: tuple[int, ...]
    """The nodes outside whose maps it is given, in the order of their first use."""
    results: tuple[int, ...] = ()
    """The nodes whose maps it hands on."""
    visits: list[Visit] = field(default_factory=list)
    children: dict[str, Branch | Node] = field(default_factory=dict)

    @property
    def values(self) -> tuple[int, ...]:
        """Every node whose map is handled here: what is given, then what is made, in order."""
        return tuple(dict.fromkeys((*self.reads, *(index for visit in self.visits for index in visit.writes))))


def trunk(graph: Graph) -> Branch:
    """The whole network as a branch. Raises ValueError where a scope was left and entered again."""
    return _branch(graph, "", graph.nodes[1:])


def _branch(graph: Graph, path: str, nodes: Sequence[Node]) -> Branch:
    inside = {node.index for node in nodes}
    reads = dict.fromkeys(i for node in nodes for i in node.inputs if i not in inside)
    results = _results(graph, nodes) if path else graph.results
    branch = Branch(path, graph.labels.get(path, "Scope"), tuple(reads), tuple(results))
    calls = []
    for name, stretch in _children(path, nodes):
        inner = f"{path}.{name}" if path else name
        leaf = stretch[0].path == inner
        branch.children[name] = stretch[0] if leaf else _branch(graph, inner, stretch)
        calls.append((name, _sources(stretch), _results(graph, stretch)))
    branch.visits = list(_visits(calls, results))
    return branch


def _sources(stretch: Sequence[Node]) -> list[int]:
    """What a stretch reads from outside. A single op reads in its own order, and may read one map twice."""
    if len(stretch) == 1:
        return list(stretch[0].inputs)
    inside = {node.index for node in stretch}
    return list(dict.fromkeys(i for node in stretch for i in node.inputs if i not in inside))


def _results(graph: Graph, nodes: Sequence[Node]) -> list[int]:
    """What is made here and read elsewhere."""
    inside = {node.index for node in nodes}
    return [
        node.index
        for node in nodes
        if node.index in graph.results or any(reader not in inside for reader in graph.consumers[node.index])
    ]


def _visits(calls: Sequence[tuple[str, list[int], list[int]]], results: Sequence[int]) -> list[Visit]:
    last = {index: position for position, (_, reads, _) in enumerate(calls) for index in reads}
    visits = []
    for position, (child, reads, writes) in enumerate(calls):
        done = [i for i in dict.fromkeys(reads) if last[i] == position and i not in results]
        visits.append(Visit(child, tuple(reads), tuple(writes), tuple(done)))
    return visits


def _children(path: str, nodes: Sequence[Node]) -> list[tuple[str, list[Node]]]:
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
