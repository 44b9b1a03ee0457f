"""Find modules that can share a class: equal children, calls and names, whatever their numbers."""

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

# Layers that are written as expressions and are not modules in the file.
INLINE_TARGETS = ("layers.Concat", "layers.Add", "layers.Multiply", "layers.Maximum", "layers.SelectOutput")

SignatureKey = tuple[Any, ...]


@dataclass(slots=True)
class ModuleSignature:
    """A class of the file: one of its modules as example, and the paths of all."""

    key: SignatureKey
    module_node: ModuleNode
    nesting_depth: int
    paths: list[str] = field(default_factory=list)


class LayerCalls:
    """The layers of a network as constructor calls, in place where that is safe."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inplace_nodes = inplace_nodes(graph)

    def build_call(self, node: Node) -> Call:
        """Return the constructor call of a node's layer."""
        call = node.op.to_layer_call()
        extra = {"inplace": True} if node.index in self.inplace_nodes else {}
        return Call(call.target, {**call.arguments, **extra})


def compute_key(module_node: ModuleNode, layers: LayerCalls) -> SignatureKey:
    """Compute a key that is equal for modules that can share a class."""
    numbers = {index: number for number, index in enumerate(module_node.values)}

    def number_values(call: ChildCall) -> SignatureKey:
        groups = (call.inputs, call.outputs, call.last_used)
        return (call.child, *(tuple(numbers[i] for i in group) for group in groups))

    children = tuple((name, *_compute_child_key(child, layers)) for name, child in module_node.children.items())
    outputs = tuple(numbers[i] for i in module_node.outputs)
    return module_node.label, len(module_node.inputs), children, tuple(map(number_values, module_node.calls)), outputs


def _compute_child_key(child: ModuleNode | Node, layers: LayerCalls) -> SignatureKey:
    if isinstance(child, ModuleNode):
        return ("module", compute_key(child, layers))
    call = layers.build_call(child)
    shared = _compute_relative_path(child) if child.layer_path != child.path else ""
    inline = (tuple(call.arguments.items()),) if call.target in INLINE_TARGETS else ()
    return (call.target, tuple(call.arguments), shared, *inline)


def _compute_relative_path(node: Node) -> str:
    """Return the path of the layer that a node applies, relative to the node."""
    return relpath(node.layer_path.replace(".", "/"), node.path.replace(".", "/"))


def collect_signatures(root: ModuleNode, layers: LayerCalls) -> list[ModuleSignature]:
    """Return the distinct module signatures of a network, the innermost first."""
    signatures: dict[SignatureKey, ModuleSignature] = {}
    for module_node in walk_modules(root):
        key = compute_key(module_node, layers)
        signature = signatures.setdefault(key, ModuleSignature(key, module_node, compute_nesting_depth(module_node)))
        signature.paths.append(module_node.path)
    return sorted(signatures.values(), key=lambda signature: signature.nesting_depth)


def walk_modules(module_node: ModuleNode) -> Iterator[ModuleNode]:
    """Yield a module and all modules in it, in execution order, without repeated ones."""
    for name, child in module_node.children.items():
        if isinstance(child, ModuleNode) and not find_repeated_child(module_node, name):
            yield from walk_modules(child)
    yield module_node


def compute_nesting_depth(module_node: ModuleNode) -> int:
    """Return the number of nested modules."""
    return 1 + max(
        (compute_nesting_depth(child) for child in module_node.children.values() if isinstance(child, ModuleNode)),
        default=0,
    )


def find_repeated_child(module_node: ModuleNode, name: str) -> str:
    """Return the sibling whose weights a child shares completely and that is called instead, else an empty string."""
    child = module_node.children[name]
    if isinstance(child, Node):
        return _find_sibling_name(child.layer_path, module_node) if child.layer_path != child.path else ""
    if not isinstance(child, ModuleNode):
        return ""
    leaves = [leaf for leaf in _iter_leaves(child) if leaf.op.parameters()]
    owners = {_find_sibling_name(leaf.layer_path, module_node) for leaf in leaves if leaf.layer_path != leaf.path}
    is_shared = leaves and all(leaf.layer_path != leaf.path for leaf in leaves)
    return owners.pop() if is_shared and len(owners) == 1 else ""


def _find_sibling_name(layer: str, module_node: ModuleNode) -> str:
    relative = layer.removeprefix(f"{module_node.path}.") if module_node.path else layer
    return relative.partition(".")[0] if relative != layer or not module_node.path else ""


def _iter_leaves(module_node: ModuleNode) -> Iterator[Node]:
    for child in module_node.children.values():
        if isinstance(child, ModuleNode):
            yield from _iter_leaves(child)
        else:
            yield child


def simplify_arguments(call: Call) -> Mapping[str, Any]:
    """Return a call's arguments with one number where all axes have the same."""
    has_sizes = call.target.startswith(("nn.Conv", "nn.MaxPool", "nn.AvgPool", "layers.MaxPool"))
    return {
        name: value[0] if has_sizes and isinstance(value, tuple) and len(set(value)) == 1 else value
        for name, value in call.arguments.items()
    }
