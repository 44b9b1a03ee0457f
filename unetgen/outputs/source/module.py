"""Module: one class of the file, with what its modules differ in as its arguments."""

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

# What the file itself is written with.
_RESERVED_NAMES = {"F", "FITS", "Sequence", "Tensor", "annotations", "check", "initialise", "nn", "torch"}

# What these are made with first goes without saying.
_POSITIONAL_ARGUMENTS = ("in_channels", "out_channels", "kernel_size")


@dataclass(slots=True)
class ModuleClass:
    """A class by its name: the modules that are of it, and what they are made with."""

    name: str
    signature: ModuleSignature
    arguments: list[ConstructorArgument]
    instance_numbers: dict[str, int]
    """The number of each module, by its path."""


class ModuleClasses:
    """The classes of a network, each with the calls that make its modules."""

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
        branches = {branch.path: branch for branch in walk_modules(root)}
        names = choose_class_names(signatures, self._collect_reserved_names(root))
        for shape in signatures:
            made = [self._collect_arguments(branches[path]) for path in shape.paths]
            given = derive_constructor_arguments(made) if len(made) > 1 else []
            values = {path: number for number, path in enumerate(shape.paths)}
            self.by_key[shape.key] = ModuleClass(names[shape.key], shape, given, values)

    def _collect_reserved_names(self, root: ModuleNode) -> set[str]:
        """The names that the file has besides those of its modules' classes."""
        leaves = (
            child for branch in walk_modules(root) for child in branch.children.values() if isinstance(child, Node)
        )
        theirs = {self.format_layer_name(self.layers.build_call(leaf).target).partition(".")[0] for leaf in leaves}
        return theirs | _RESERVED_NAMES | set(dir(builtins))

    def _collect_arguments(self, module_node: ModuleNode) -> ModuleArguments:
        """Every argument of every child of a module, and the channels of what runs into it and out of it."""
        found: dict[ChildArgument, Any] = {}
        for name, child in self.iter_created_children(module_node):
            for argument, value in self._get_arguments(child).items():
                found[name, argument] = value
        nodes = self.layers.graph.nodes
        return ModuleArguments(found, nodes[max(module_node.inputs)].channels, nodes[module_node.outputs[-1]].channels)

    def iter_created_children(self, module_node: ModuleNode) -> Iterator[tuple[str, ModuleNode | Node]]:
        """The children that a module makes: not those that are expressions, nor what is applied again."""
        for name, child in module_node.children.items():
            inline = isinstance(child, Node) and self.layers.build_call(child).target in INLINE_TARGETS
            if not inline and not find_repeated_child(module_node, name):
                yield name, child

    def _get_arguments(self, child: ModuleNode | Node) -> Mapping[str, Any]:
        if isinstance(child, Node):
            return simplify_arguments(self.layers.build_call(child))
        module = self.find_class(child)
        number = module.instance_numbers[child.path]
        return {parameter.name: parameter.values[number] for parameter in module.arguments}

    def find_class(self, module_node: ModuleNode) -> ModuleClass:
        """The class of a module."""
        return self.by_key[compute_key(module_node, self.layers)]

    # Text

    def format_class(self, module_class: ModuleClass, base_class: str = "nn.Module") -> list[str]:
        """The class, but for its forward and what else the network itself has."""
        branch = module_class.signature.module_node
        indexed = self.has_indexed_children(branch)
        ascending = list(branch.children) == [str(n) for n in range(len(branch.children))]
        base_class = ("nn.ModuleList" if ascending else "nn.ModuleDict") if indexed else base_class
        signature = ["self", *(f"{p.name}: {p.annotation}" for p in module_class.arguments)]
        made = list(self.iter_created_children(branch))
        lines = [f"class {module_class.name}({base_class}):"]
        if made or module_class.arguments:
            lines += format_call("def __init__", signature).format_lines("", " -> None:", 1)
            lines += (
                self._format_container(made, module_class, ascending)
                if indexed
                else self._format_attributes(made, module_class)
            )
            lines.append("")
        return lines

    def has_indexed_children(self, module_node: ModuleNode) -> bool:
        """Whether children have numbers for names, and are kept in a list or by them."""
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
        """The children in a list, or in a dict by their names."""
        calls = [(name, self._build_constructor_call(name, child, module_class)) for name, child in children]
        if is_consecutive and len(calls) == len(module_class.signature.module_node.children):
            inside = Expression("[", [call for _, call in calls], "]")
        else:
            inside = Expression("{", [_build_dict_entry(name, call) for name, call in calls], "}")
        return format_call("super().__init__", [inside]).format_lines("", "", 2)

    def _build_constructor_call(self, name: str, child: ModuleNode | Node, module_class: ModuleClass) -> Expression:
        """What makes a child, in the words of its module's class."""
        names = {slot: parameter.name for parameter in module_class.arguments for slot in parameter.child_arguments}
        given = self._get_arguments(child)
        target = self.layers.build_call(child).target if isinstance(child, Node) else ""
        written: list[str] = []
        for argument, value in given.items():
            text = names.get((name, argument), format_literal(value))
            bare = argument in _POSITIONAL_ARGUMENTS and target.startswith("nn.Conv")
            written.append(text if bare else f"{argument}={text}")
        return format_call(
            self.find_class(child).name if isinstance(child, ModuleNode) else self.format_layer_name(target), written
        )

    def format_forward(self, module_class: ModuleClass) -> list[str]:
        """The forward method."""
        branch = module_class.signature.module_node
        handed = "tuple[Tensor, ...]" if len(branch.outputs) != 1 else "Tensor"
        forward = self.build_forward_writer(module_class)
        given = ["self", *(f"{name}: Tensor" for name in forward.input_names)]
        lines, results = forward.write_body()
        signature = format_call("def forward", given).format_lines("", f" -> {handed}:", 1)
        return [*signature, *lines, *_format_return(results)]

    def build_forward_writer(self, module_class: ModuleClass) -> ForwardWriter:
        """What writes the statements of a module's forward."""
        branch = module_class.signature.module_node
        return ForwardWriter(
            branch,
            self.layers,
            self.has_indexed_children(branch),
            is_only_instance=len(module_class.signature.paths) == 1,
        )


def _format_return(results: Sequence[Expression | str]) -> list[str]:
    if len(results) == 1 and isinstance(results[0], Expression):
        return results[0].format_lines("return ", "", 2)
    flat = f"        return {', '.join(map(str, results))}"
    return [flat] if len(flat) <= MAX_LINE_LENGTH else Expression("(", results, ")").format_lines("return ", "", 2)


def _build_dict_entry(name: str, call: Expression) -> Expression:
    return Expression(f'"{name}": {call.head}', call.items, call.tail)
