"""Shape: what modules have in common that are one class. Their children, calls and names, but no numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import relpath
from typing import Any

from unetgen.graph.graph import Graph
from unetgen.graph.liveness import inplace_nodes
from unetgen.graph.module_tree import ChildCall, ModuleNode
from unetgen.graph.node import Node
from unetgen.graph.ops import Call

# What stands in for a layer that is written as an expression, and has no module.
INLINE_TARGETS = ("layers.Concat", "layers.Add", "layers.Multiply", "layers.Maximum", "layers.SelectOutput")

SignatureKey = tuple[Any, ...]


@dataclass(slots=True)
class ModuleSignature:
    """A class to be: one of its branches, and the paths of all."""

    key: SignatureKey
    module_node: ModuleNode
    nesting_depth: int
    paths: list[str] = field(default_factory=list)


class LayerCalls:
    """The layers of a network as calls, each as it is made: in place where that is safe."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inplace_nodes = inplace_nodes(graph)

    def build_call(self, node: Node) -> Call:
        """The call that makes a node's layer."""
        call = node.op.to_call()
        more = {"inplace": True} if node.index in self.inplace_nodes else {}
        return Call(call.target, {**call.arguments, **more})


def compute_key(module_node: ModuleNode, layers: LayerCalls) -> SignatureKey:
    """Equal for branches that can be one class."""
    numbers = {index: number for number, index in enumerate(module_node.values)}

    def counted(visit: ChildCall) -> SignatureKey:
        groups = (visit.inputs, visit.outputs, visit.last_used)
        return (visit.child, *(tuple(numbers[i] for i in group) for group in groups))

    children = tuple((name, *_compute_child_key(child, layers)) for name, child in module_node.children.items())
    results = tuple(numbers[i] for i in module_node.outputs)
    return module_node.label, len(module_node.inputs), children, tuple(map(counted, module_node.calls)), results


def _compute_child_key(child: ModuleNode | Node, layers: LayerCalls) -> SignatureKey:
    if isinstance(child, ModuleNode):
        return ("module", compute_key(child, layers))
    call = layers.build_call(child)
    shared = _compute_relative_path(child) if child.layer_path != child.path else ""
    inline = (tuple(call.arguments.items()),) if call.target in INLINE_TARGETS else ()
    return (call.target, tuple(call.arguments), shared, *inline)


def _compute_relative_path(node: Node) -> str:
    """Where the layer that a node applies is, seen from the node."""
    return relpath(node.layer_path.replace(".", "/"), node.path.replace(".", "/"))


def collect_signatures(root: ModuleNode, layers: LayerCalls) -> list[ModuleSignature]:
    """The distinct shapes of a network, the innermost first."""
    found: dict[SignatureKey, ModuleSignature] = {}
    for branch in walk_modules(root):
        key = compute_key(branch, layers)
        shape = found.setdefault(key, ModuleSignature(key, branch, compute_nesting_depth(branch)))
        shape.paths.append(branch.path)
    return sorted(found.values(), key=lambda shape: shape.nesting_depth)


def walk_modules(module_node: ModuleNode) -> Iterator[ModuleNode]:
    """A branch and all in it, in the order of execution, but what is applied again."""
    for name, child in module_node.children.items():
        if isinstance(child, ModuleNode) and not find_repeated_child(module_node, name):
            yield from walk_modules(child)
    yield module_node


def compute_nesting_depth(module_node: ModuleNode) -> int:
    """How many modules are in one another."""
    return 1 + max(
        (compute_nesting_depth(child) for child in module_node.children.values() if isinstance(child, ModuleNode)),
        default=0,
    )


def find_repeated_child(module_node: ModuleNode, name: str) -> str:
    """The child whose weights a child uses throughout, which is then simply called once more; else nothing."""
    child = module_node.children[name]
    if isinstance(child, Node):
        return _find_sibling_name(child.layer_path, module_node) if child.layer_path != child.path else ""
    if not isinstance(child, ModuleNode):
        return ""
    leaves = [leaf for leaf in _iter_leaves(child) if leaf.op.parameters()]
    owners = {_find_sibling_name(leaf.layer_path, module_node) for leaf in leaves if leaf.layer_path != leaf.path}
    whole = leaves and all(leaf.layer_path != leaf.path for leaf in leaves)
    return owners.pop() if whole and len(owners) == 1 else ""


def _find_sibling_name(layer: str, module_node: ModuleNode) -> str:
    inside = layer.removeprefix(f"{module_node.path}.") if module_node.path else layer
    return inside.partition(".")[0] if inside != layer or not module_node.path else ""


def _iter_leaves(module_node: ModuleNode) -> Iterator[Node]:
    for child in module_node.children.values():
        if isinstance(child, ModuleNode):
            yield from _iter_leaves(child)
        else:
            yield child


def simplify_arguments(call: Call) -> Mapping[str, Any]:
    """A call's arguments as people write them: one number where all axes have the same."""
    alike = call.target.startswith(("nn.Conv", "nn.MaxPool", "nn.AvgPool", "layers.MaxPool"))
    return {
        name: value[0] if alike and isinstance(value, tuple) and len(set(value)) == 1 else value
        for name, value in call.arguments.items()
    }
