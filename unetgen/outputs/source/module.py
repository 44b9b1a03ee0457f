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
from unetgen.outputs.source.parameter import Parameter, Slot, parameters
from unetgen.outputs.source.shape import INLINE, Key, Layers, Shape, again, arguments, key_of, walk
from unetgen.outputs.source.text import Expression, called, literal

# What the file itself is written with.
_USED = {"F", "FITS", "Sequence", "Tensor", "UNet", "annotations", "check", "nn", "torch"}

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
        taken = self._reserved(trunk)
        for shape in shapes:
            slots = [self._slots(branches[path]) for path in shape.paths]
            given = parameters(slots) if len(slots) > 1 else []
            shape.slots = slots
            title = self._title(shape, taken)
            taken.add(title)
            values = {path: number for number, path in enumerate(shape.paths)}
            self.by_key[shape.key] = Module(title, shape, given, values)

    def _reserved(self, trunk: Branch) -> set[str]:
        """The names that the file has besides those of its modules' classes."""
        leaves = (child for branch in walk(trunk) for child in branch.children.values() if isinstance(child, Node))
        theirs = {self.name(self.layers.call(leaf).target).partition(".")[0] for leaf in leaves}
        return theirs | _USED | set(dir(builtins))

    def _slots(self, branch: Branch) -> dict[Slot, Any]:
        """Every argument of every child of a module."""
        found: dict[Slot, Any] = {}
        for name, child in self.made(branch):
            for argument, value in self._arguments(child).items():
                found[name, argument] = value
        return found

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

    def _title(self, shape: Shape, taken: set[str]) -> str:
        """What a class is called: as its modules are printed, with the side that all are in if that tells it apart."""
        label = "Blocks" if shape.branch.label in ("Scope", "Sequence") else shape.branch.label
        label = shape.branch.path.partition(".")[0].title() if shape.branch.path and label == "NoBlock" else label
        sides = {path.partition(".")[0] for path in shape.paths}
        tries = [label or "UNet", f"{next(iter(sides)).title()}{label}"] if len(sides) == 1 else [label]
        found = next((name for name in tries if name not in taken), "")
        number = 2
        while not found or found in taken:
            found = f"{tries[-1]}{number}"
            number += 1
        return found

    # Text

    def lines(self, module: Module, base: str = "nn.Module") -> list[str]:
        """The class, but for its forward's last line and what else the network itself has."""
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
        """The forward method, but for what it returns."""
        branch = module.shape.branch
        forward = Forward(branch, self.layers, self.indexed(branch))
        several = len(branch.results) != 1
        handed = "tuple[Tensor, ...]" if several else "Tensor"
        given = ["self", *(f"{name}: Tensor" for name in forward.given)]
        lines = called("def forward", given).lines("", f" -> {handed}:", 1)
        for statement in forward.statements():
            lines += statement
        return [*lines, f"        return {forward.result()}"]


def _entry(name: str, call: Expression) -> Expression:
    return Expression(f'"{name}": {call.head}', call.inside, call.tail)
