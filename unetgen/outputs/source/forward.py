"""Forward: the calls of a module's children as statements, with names for what goes between them."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from typing import Any

from unetgen.graph.branch import Branch, Visit
from unetgen.graph.node import Node
from unetgen.outputs.source.shape import INLINE, Layers, again
from unetgen.outputs.source.text import Expression, called

# With more results than this a module's tuple stays one.
UNPACKED = 3


class Forward:
    """Writes the statements of one module."""

    def __init__(self, branch: Branch, layers: Layers, indexed: bool) -> None:
        self.branch = branch
        self.layers = layers
        self.indexed = indexed
        self.names: dict[int, str] = {}
        self.taken: set[str] = {"self"}
        self.given = self._given()

    def _given(self) -> list[str]:
        """The names of what the module is handed."""
        roles = [self._role(index) for index in self.branch.reads]
        several = [f"{role}{roles[:n].count(role) + 1}" for n, role in enumerate(roles)]
        names = [role if roles.count(role) == 1 else one for role, one in zip(roles, several, strict=True)]
        for index, name in zip(self.branch.reads, names, strict=True):
            self.names[index] = name
            self.taken.add(name)
        return names

    def _role(self, index: int) -> str:
        """What a map is to the module: what runs through the network, or what was kept of the other side."""
        node = self.layers.graph.nodes[index]
        return "skip" if node.side == "encoder" and self.branch.path.startswith(("decoder", "head")) else "x"

    def statements(self) -> Iterator[list[str]]:
        """Each statement in its lines."""
        for visit in self.branch.visits:
            expression = self._expression(visit)
            freed = [self.names[index] for index in visit.done]
            target = self._target(visit, freed)
            yield expression.lines(f"{target} = ", "", 2)

    def result(self) -> str:
        """What is handed on."""
        return ", ".join(self.names[index] for index in self.branch.results)

    def _expression(self, visit: Visit) -> Expression:
        child = self.branch.children[visit.child]
        given: list[Expression | str] = [self.names[index] for index in visit.reads]
        target = self.layers.call(child).target if isinstance(child, Node) else ""
        if target in INLINE and isinstance(child, Node):
            return _inlined(target, self.layers.call(child).arguments, [str(item) for item in given])
        name = again(self.branch, visit.child) or visit.child
        return called(f"self{self.access(name)}", given)

    def access(self, name: str) -> str:
        """How a child is come by."""
        if not self.indexed:
            return f".{name}"
        ascending = [str(number) for number in range(len(self.branch.children))]
        return f"[{name}]" if list(self.branch.children) == ascending else f'["{name}"]'

    def _target(self, visit: Visit, freed: list[str]) -> str:
        """Names what a call makes; the name of what it used up is free again."""
        if not visit.writes:
            return "_"
        free = sorted((name for name in freed if "[" not in name), key=lambda name: name != "x")
        self.taken -= set(free)
        if len(visit.writes) > UNPACKED:
            name = self._fresh("features" if visit.child == "encoder" else f"{visit.child}_maps")
            self.names.update({index: f"{name}[{n}]" for n, index in enumerate(visit.writes)})
            return name
        # What runs on is x; what is kept beside it is called by what made it.
        *kept, last = visit.writes
        self.names[last] = self._take(free[0] if free else "x" if "x" not in self.taken else self._fresh(visit.child))
        for index in kept:
            self.names[index] = self._fresh(visit.child)
        return ", ".join(self.names[index] for index in visit.writes)

    def _take(self, name: str) -> str:
        self.taken.add(name)
        return name

    def _fresh(self, child: str) -> str:
        name = f"x{child}" if child[:1].isdigit() else child
        name = f"{name}_" if keyword.iskeyword(name) else name
        number = 2
        fresh = name
        while fresh in self.taken:
            fresh = f"{name}_{number}"
            number += 1
        return self._take(fresh)


def _inlined(target: str, arguments: Mapping[str, Any], given: list[str]) -> Expression:
    """A layer without numbers as the expression that it is."""
    if target == "layers.Concat":
        return called("torch.cat", [Expression("(", [*given], ")" if len(given) > 1 else ",)"), "dim=1"])
    if target == "layers.Maximum":
        return called("torch.maximum", [*given])
    if target == "layers.Take":
        return Expression(f"{given[0]}[{arguments['index']}]")
    return Expression((" + " if target == "layers.Add" else " * ").join(given))
