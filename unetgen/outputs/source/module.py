"""Module: one class of the file, with what its modules differ in as its arguments."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from unetgen.graph.branch import Branch
from unetgen.graph.node import Node
from unetgen.outputs.source.forward import Forward
from unetgen.outputs.source.parameter import Made, Parameter, Slot, parameters
from unetgen.outputs.source.shape import INLINE, Key, Layers, Shape, again, arguments, key_of, walk
from unetgen.outputs.source.text import WIDTH, Expression, called, literal
from unetgen.outputs.source.title import titles

# What the file itself is written with.
_USED = {"F", "FITS", "Sequence", "Tensor", "annotations", "check", "initialise", "nn", "torch"}

# What these are made with first goes without saying.
_POSITIONAL = ("in_channels", "out_channels", "kernel_size")


@dataclass(slots=True)
class Module:
    """A class by its name: the modules that are of it, and what they are made with."""

    name: str
    shape: Shape
    given: list[Parameter]
    values: dict[str, int]
    """The number of each module, by its path."""


class Modules:
    """The classes of a network, each with the calls that make its modules."""

    def __init__(self, trunk: Branch, shapes: Sequence[Shape], layers: Layers, name: Callable[[str], str]) -> None:
        self.layers = layers
        self.name = name
        self.by_key: dict[Key, Module] = {}
        branches = {branch.path: branch for branch in walk(trunk)}
        names = titles(shapes, self._reserved(trunk))
        for shape in shapes:
            made = [self._made_with(branches[path]) for path in shape.paths]
            given = parameters(made) if len(made) > 1 else []
            values = {path: number for number, path in enumerate(shape.paths)}
            self.by_key[shape.key] = Module(names[shape.key], shape, given, values)

    def _reserved(self, trunk: Branch) -> set[str]:
        """The names that the file has besides those of its modules' classes."""
        leaves = (child for branch in walk(trunk) for child in branch.children.values() if isinstance(child, Node))
        theirs = {self.name(self.layers.call(leaf).target).partition(".")[0] for leaf in leaves}
        return theirs | _USED | set(dir(builtins))

    def _made_with(self, branch: Branch) -> Made:
        """Every argument of every child of a module, and the channels of what runs into it and out of it."""
        found: dict[Slot, Any] = {}
        for name, child in self.made(branch):
            for argument, value in self._arguments(child).items():
                found[name, argument] = value
        nodes = self.layers.graph.nodes
        return Made(found, nodes[max(branch.reads)].channels, nodes[branch.results[-1]].channels)

    def made(self, branch: Branch) -> Iterator[tuple[str, Branch | Node]]:
        """The children that a module makes: not those that are expressions, nor what is applied again."""
        for name, child in branch.children.items():
            inline = isinstance(child, Node) and self.layers.call(child).target in INLINE
            if not inline and not again(branch, name):
                yield name, child

    def _arguments(self, child: Branch | Node) -> Mapping[str, Any]:
        if isinstance(child, Node):
            return arguments(self.layers.call(child))
        module = self.of(child)
        number = module.values[child.path]
        return {parameter.name: parameter.values[number] for parameter in module.given}

    def of(self, branch: Branch) -> Module:
        """The class of a module."""
        return self.by_key[key_of(branch, self.layers)]

    # Text

    def lines(self, module: Module, base: str = "nn.Module") -> list[str]:
        """The class, but for its forward and what else the network itself has."""
        branch = module.shape.branch
        indexed = self.indexed(branch)
        ascending = list(branch.children) == [str(n) for n in range(len(branch.children))]
        base = ("nn.ModuleList" if ascending else "nn.ModuleDict") if indexed else base
        signature = ["self", *(f"{p.name}: {p.annotation}" for p in module.given)]
        made = list(self.made(branch))
        lines = [f"class {module.name}({base}):"]
        if made or module.given:
            lines += called("def __init__", signature).lines("", " -> None:", 1)
            lines += self._holder(made, module, ascending) if indexed else self._attributes(made, module)
            lines.append("")
        return lines

    def indexed(self, branch: Branch) -> bool:
        """Whether children have numbers for names, and are kept in a list or by them."""
        return not all(name.isidentifier() and not iskeyword(name) for name in branch.children)

    def _attributes(self, made: Sequence[tuple[str, Branch | Node]], module: Module) -> list[str]:
        lines = ["        super().__init__()"]
        for name, child in made:
            lines += self._call(name, child, module).lines(f"self.{name} = ", "", 2)
        return lines

    def _holder(self, made: Sequence[tuple[str, Branch | Node]], module: Module, ascending: bool) -> list[str]:
        """The children in a list, or in a dict by their names."""
        calls = [(name, self._call(name, child, module)) for name, child in made]
        if ascending and len(calls) == len(module.shape.branch.children):
            inside = Expression("[", [call for _, call in calls], "]")
        else:
            inside = Expression("{", [_entry(name, call) for name, call in calls], "}")
        return called("super().__init__", [inside]).lines("", "", 2)

    def _call(self, name: str, child: Branch | Node, module: Module) -> Expression:
        """What makes a child, in the words of its module's class."""
        names = {slot: parameter.name for parameter in module.given for slot in parameter.slots}
        given = self._arguments(child)
        target = self.layers.call(child).target if isinstance(child, Node) else ""
        written: list[str] = []
        for argument, value in given.items():
            text = names.get((name, argument), literal(value))
            bare = argument in _POSITIONAL and target.startswith("nn.Conv")
            written.append(text if bare else f"{argument}={text}")
        return called(self.of(child).name if isinstance(child, Branch) else self.name(target), written)

    def forward(self, module: Module) -> list[str]:
        """The forward method."""
        branch = module.shape.branch
        handed = "tuple[Tensor, ...]" if len(branch.results) != 1 else "Tensor"
        forward = self.body(module)
        given = ["self", *(f"{name}: Tensor" for name in forward.given)]
        lines, results = forward.body()
        signature = called("def forward", given).lines("", f" -> {handed}:", 1)
        return [*signature, *lines, *_returned(results)]

    def body(self, module: Module) -> Forward:
        """What writes the statements of a module's forward."""
        branch = module.shape.branch
        return Forward(branch, self.layers, self.indexed(branch), alone=len(module.shape.paths) == 1)


def _returned(results: Sequence[Expression | str]) -> list[str]:
    if len(results) == 1 and isinstance(results[0], Expression):
        return results[0].lines("return ", "", 2)
    flat = f"        return {', '.join(map(str, results))}"
    return [flat] if len(flat) <= WIDTH else Expression("(", results, ")").lines("return ", "", 2)


def _entry(name: str, call: Expression) -> Expression:
    return Expression(f'"{name}": {call.head}', call.inside, call.tail)
