"""Shape: what modules have in common that are one class. Their children, calls and names, but no numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import relpath
from typing import Any

from unetgen.graph.branch import Branch, Visit
from unetgen.graph.graph import Graph
from unetgen.graph.liveness import overwriting
from unetgen.graph.node import Node
from unetgen.graph.ops import Call

# What stands in for a layer that is written as an expression, and has no module.
INLINE = ("layers.Concat", "layers.Add", "layers.Multiply", "layers.Maximum", "layers.Take")

Key = tuple[Any, ...]


@dataclass(slots=True)
class Shape:
    """A class to be: one of its branches, and the paths of all."""

    key: Key
    branch: Branch
    height: int
    paths: list[str] = field(default_factory=list)


class Layers:
    """The layers of a network as calls, each as it is made: in place where that is safe."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.overwriting = overwriting(graph)

    def call(self, node: Node) -> Call:
        """The call that makes a node's layer."""
        call = node.op.call()
        more = {"inplace": True} if node.index in self.overwriting else {}
        return Call(call.target, {**call.arguments, **more})


def key_of(branch: Branch, layers: Layers) -> Key:
    """Equal for branches that can be one class."""
    numbers = {index: number for number, index in enumerate(branch.values)}

    def counted(visit: Visit) -> Key:
        groups = (visit.reads, visit.writes, visit.done)
        return (visit.child, *(tuple(numbers[i] for i in group) for group in groups))

    children = tuple((name, *_child(child, layers)) for name, child in branch.children.items())
    results = tuple(numbers[i] for i in branch.results)
    return branch.label, len(branch.reads), children, tuple(map(counted, branch.visits)), results


def _child(child: Branch | Node, layers: Layers) -> Key:
    if isinstance(child, Branch):
        return ("module", key_of(child, layers))
    call = layers.call(child)
    shared = _apart(child) if child.layer != child.path else ""
    inline = (tuple(call.arguments.items()),) if call.target in INLINE else ()
    return (call.target, tuple(call.arguments), shared, *inline)


def _apart(node: Node) -> str:
    """Where the layer that a node applies is, seen from the node."""
    return relpath(node.layer.replace(".", "/"), node.path.replace(".", "/"))


def shapes(trunk: Branch, layers: Layers) -> list[Shape]:
    """The distinct shapes of a network, the innermost first."""
    found: dict[Key, Shape] = {}
    for branch in walk(trunk):
        key = key_of(branch, layers)
        shape = found.setdefault(key, Shape(key, branch, height(branch)))
        shape.paths.append(branch.path)
    return sorted(found.values(), key=lambda shape: shape.height)


def walk(branch: Branch) -> Iterator[Branch]:
    """A branch and all in it, in the order of execution, but what is applied again."""
    for name, child in branch.children.items():
        if isinstance(child, Branch) and not again(branch, name):
            yield from walk(child)
    yield branch


def height(branch: Branch) -> int:
    """How many modules are in one another."""
    return 1 + max((height(child) for child in branch.children.values() if isinstance(child, Branch)), default=0)


def again(branch: Branch, name: str) -> str:
    """The child whose weights a child uses throughout, which is then simply called once more; else nothing."""
    child = branch.children[name]
    if isinstance(child, Node):
        return _sibling(child.layer, branch) if child.layer != child.path else ""
    if not isinstance(child, Branch):
        return ""
    leaves = [leaf for leaf in _leaves(child) if leaf.op.parameters()]
    owners = {_sibling(leaf.layer, branch) for leaf in leaves if leaf.layer != leaf.path}
    whole = leaves and all(leaf.layer != leaf.path for leaf in leaves)
    return owners.pop() if whole and len(owners) == 1 else ""


def _sibling(layer: str, branch: Branch) -> str:
    inside = layer.removeprefix(f"{branch.path}.") if branch.path else layer
    return inside.partition(".")[0] if inside != layer or not branch.path else ""


def _leaves(branch: Branch) -> Iterator[Node]:
    for child in branch.children.values():
        if isinstance(child, Branch):
            yield from _leaves(child)
        else:
            yield child


def arguments(call: Call) -> Mapping[str, Any]:
    """A call's arguments as people write them: one number where all axes have the same."""
    alike = call.target.startswith(("nn.Conv", "nn.MaxPool", "nn.AvgPool", "layers.MaxPool"))
    return {
        name: value[0] if alike and isinstance(value, tuple) and len(set(value)) == 1 else value
        for name, value in call.arguments.items()
    }
