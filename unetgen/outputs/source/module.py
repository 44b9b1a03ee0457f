"""Generate module classes, with arguments for the values in which their modules differ."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from unetgen.graph.module_tree import ModuleNode
from unetgen.graph.node import Node
from unetgen.outputs.source.arguments import (
    ChildArgument,
    ConstructorArgument,
    ModuleArguments,
    derive_constructor_arguments,
)
from unetgen.outputs.source.class_names import choose_class_names
from unetgen.outputs.source.formatting import MAX_LINE_LENGTH, Expression, format_call, format_literal
from unetgen.outputs.source.forward import ForwardWriter
from unetgen.outputs.source.signatures import (
    INLINE_TARGETS,
    LayerCalls,
    ModuleSignature,
    SignatureKey,
    compute_key,
    find_repeated_child,
    simplify_arguments,
    walk_modules,
)

# Names that the file uses itself.
_RESERVED_NAMES = {"F", "FITS", "Sequence", "Tensor", "annotations", "check", "initialise", "nn", "torch"}

# Arguments of convolutions that are written without their names.
_POSITIONAL_ARGUMENTS = ("in_channels", "out_channels", "kernel_size")


@dataclass(slots=True)
class ModuleClass:
    """A class of the file: its name, signature and constructor arguments."""

    name: str
    signature: ModuleSignature
    arguments: list[ConstructorArgument]
    instance_numbers: dict[str, int]
    """The index of each module by its path."""


class ModuleClasses:
    """The classes of a network, with the constructor calls of their modules."""

    def __init__(
        self,
        root: ModuleNode,
        signatures: Sequence[ModuleSignature],
        layers: LayerCalls,
        format_layer_name: Callable[[str], str],
    ) -> None:
        self.layers = layers
        self.format_layer_name = format_layer_name
        self.by_key: dict[SignatureKey, ModuleClass] = {}
        modules = {module_node.path: module_node for module_node in walk_modules(root)}
        names = choose_class_names(signatures, self._collect_reserved_names(root))
        for signature in signatures:
            instances = [self._collect_arguments(modules[path]) for path in signature.paths]
            arguments = derive_constructor_arguments(instances) if len(instances) > 1 else []
            numbers = {path: number for number, path in enumerate(signature.paths)}
            self.by_key[signature.key] = ModuleClass(names[signature.key], signature, arguments, numbers)

    def _collect_reserved_names(self, root: ModuleNode) -> set[str]:
        """Return the names in the file other than those of module classes."""
        leaves = (
            child for module in walk_modules(root) for child in module.children.values() if isinstance(child, Node)
        )
        layer_names = {self.format_layer_name(self.layers.build_call(leaf).target).partition(".")[0] for leaf in leaves}
        return layer_names | _RESERVED_NAMES | set(dir(builtins))

    def _collect_arguments(self, module_node: ModuleNode) -> ModuleArguments:
        """Return every argument of every child of a module, and the channels of its input and output."""
        child_arguments: dict[ChildArgument, Any] = {}
        for name, child in self.iter_created_children(module_node):
            for argument, value in self._get_arguments(child).items():
                child_arguments[name, argument] = value
        nodes = self.layers.graph.nodes
        in_channels, out_channels = nodes[max(module_node.inputs)].channels, nodes[module_node.outputs[-1]].channels
        return ModuleArguments(child_arguments, in_channels, out_channels)

    def iter_created_children(self, module_node: ModuleNode) -> Iterator[tuple[str, ModuleNode | Node]]:
        """Yield the children that a module constructs, without inline expressions and repeated children."""
        for name, child in module_node.children.items():
            is_inline = isinstance(child, Node) and self.layers.build_call(child).target in INLINE_TARGETS
            if not is_inline and not find_repeated_child(module_node, name):
                yield name, child

    def _get_arguments(self, child: ModuleNode | Node) -> Mapping[str, Any]:
        if isinstance(child, Node):
            return simplify_arguments(self.layers.build_call(child))
        module = self.find_class(child)
        number = module.instance_numbers[child.path]
        return {parameter.name: parameter.values[number] for parameter in module.arguments}

    def find_class(self, module_node: ModuleNode) -> ModuleClass:
        """Return the class of a module."""
        return self.by_key[compute_key(module_node, self.layers)]

    # Text

    def format_class(self, module_class: ModuleClass, base_class: str = "nn.Module") -> list[str]:
        """Return the lines of a class up to its forward method."""
        module_node = module_class.signature.module_node
        is_indexed = self.has_indexed_children(module_node)
        is_consecutive = list(module_node.children) == [str(n) for n in range(len(module_node.children))]
        base_class = ("nn.ModuleList" if is_consecutive else "nn.ModuleDict") if is_indexed else base_class
        parameters = ["self", *(f"{p.name}: {p.annotation}" for p in module_class.arguments)]
        children = list(self.iter_created_children(module_node))
        lines = [f"class {module_class.name}({base_class}):"]
        if children or module_class.arguments:
            lines += format_call("def __init__", parameters).format_lines("", " -> None:", 1)
            lines += (
                self._format_container(children, module_class, is_consecutive)
                if is_indexed
                else self._format_attributes(children, module_class)
            )
            lines.append("")
        return lines

    def has_indexed_children(self, module_node: ModuleNode) -> bool:
        """Return whether some child names are not valid attributes, so that children are in a list or a dict."""
        return not all(name.isidentifier() and not iskeyword(name) for name in module_node.children)

    def _format_attributes(
        self, children: Sequence[tuple[str, ModuleNode | Node]], module_class: ModuleClass
    ) -> list[str]:
        lines = ["        super().__init__()"]
        for name, child in children:
            lines += self._build_constructor_call(name, child, module_class).format_lines(f"self.{name} = ", "", 2)
        return lines

    def _format_container(
        self, children: Sequence[tuple[str, ModuleNode | Node]], module_class: ModuleClass, is_consecutive: bool
    ) -> list[str]:
        """Return the constructor lines of a ModuleList or ModuleDict."""
        calls = [(name, self._build_constructor_call(name, child, module_class)) for name, child in children]
        if is_consecutive and len(calls) == len(module_class.signature.module_node.children):
            container = Expression("[", [call for _, call in calls], "]")
        else:
            container = Expression("{", [_build_dict_entry(name, call) for name, call in calls], "}")
        return format_call("super().__init__", [container]).format_lines("", "", 2)

    def _build_constructor_call(self, name: str, child: ModuleNode | Node, module_class: ModuleClass) -> Expression:
        """Return the constructor call of a child, with the arguments of its parent's class."""
        names = {
            child_argument: argument.name
            for argument in module_class.arguments
            for child_argument in argument.child_arguments
        }
        target = self.layers.build_call(child).target if isinstance(child, Node) else ""
        items: list[str] = []
        for argument, value in self._get_arguments(child).items():
            text = names.get((name, argument), format_literal(value))
            is_positional = argument in _POSITIONAL_ARGUMENTS and target.startswith("nn.Conv")
            items.append(text if is_positional else f"{argument}={text}")
        class_name = self.find_class(child).name if isinstance(child, ModuleNode) else self.format_layer_name(target)
        return format_call(class_name, items)

    def format_forward(self, module_class: ModuleClass) -> list[str]:
        """Return the lines of the forward method."""
        module_node = module_class.signature.module_node
        return_type = "tuple[Tensor, ...]" if len(module_node.outputs) != 1 else "Tensor"
        forward = self.build_forward_writer(module_class)
        parameters = ["self", *(f"{name}: Tensor" for name in forward.input_names)]
        lines, results = forward.write_body()
        signature = format_call("def forward", parameters).format_lines("", f" -> {return_type}:", 1)
        return [*signature, *lines, *_format_return(results)]

    def build_forward_writer(self, module_class: ModuleClass) -> ForwardWriter:
        """Return the writer of the forward method of a class."""
        module_node = module_class.signature.module_node
        return ForwardWriter(
            module_node,
            self.layers,
            self.has_indexed_children(module_node),
            is_only_instance=len(module_class.signature.paths) == 1,
        )


def _format_return(results: Sequence[Expression | str]) -> list[str]:
    if len(results) == 1 and isinstance(results[0], Expression):
        return results[0].format_lines("return ", "", 2)
    single_line = f"        return {', '.join(map(str, results))}"
    return (
        [single_line]
        if len(single_line) <= MAX_LINE_LENGTH
        else Expression("(", results, ")").format_lines("return ", "", 2)
    )


def _build_dict_entry(name: str, call: Expression) -> Expression:
    return Expression(f'"{name}": {call.head}', call.items, call.tail)
