"""Forward: the calls of a module's children as statements, with names for what goes between them."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Mapping
from typing import Any

from unetgen.graph.branch import Branch, Visit
from unetgen.graph.node import Node
from unetgen.outputs.source.shape import INLINE, Layers, again
from unetgen.outputs.source.text import Expression, called

# With more results than this, that levels do not tell apart, a module's tuple stays one.
UNPACKED = 3

# What runs on is x, and y or z where x is needed once more.
_RUNNING = ("x", "y", "z")


class Forward:
    """Writes the body of one module's forward; ``alone`` says that no other module is of its class."""

    def __init__(self, branch: Branch, layers: Layers, indexed: bool, alone: bool) -> None:
        self.branch = branch
        self.layers = layers
        self.indexed = indexed
        self.alone = alone
        self.names: dict[int, str] = {}
        self.taken: set[str] = {"self"}
        self.given = self._given()

    def _given(self) -> list[str]:
        """The names of what the module is handed: of several alike with their levels, or else with numbers."""
        reads = self.branch.reads
        roles = [self._role(index) for index in reads]
        for position, (index, role) in enumerate(zip(reads, roles, strict=True)):
            alike = [other for other, its in zip(reads, roles, strict=True) if its == role]
            levels = [self._level(other) for other in alike]
            if len(alike) == 1:
                number = ""
            elif self.alone and len(set(levels)) == len(levels):
                number = self._level(index)
            else:
                number = str(roles[:position].count(role) + 1)
            self.names[index] = self._take(f"{role}{number}")
        return [self.names[index] for index in reads]

    def _role(self, index: int) -> str:
        """What a map is to the module: what runs through the network was made last, other maps were kept for it."""
        reads = self.branch.reads
        if index == max(reads) or self.branch.path.startswith("head"):
            return "x"
        return "skip" if index else "image"

    def _level(self, index: int) -> str:
        """The level of a map, as its path counts them."""
        node = self.layers.graph.nodes[index]
        step = node.path.split(".")[1:2]
        return step[0] if step and step[0].isdigit() else str(node.level)

    def body(self, whole: bool = True) -> tuple[list[str], list[Expression | str]]:
        """The lines before the last, and what is handed on: one by one, or as the tuple that the last call makes."""
        *before, last = self.branch.visits
        lines = [line for visit in before for line in self._statement(visit)]
        results, writes = self.branch.results, last.writes
        if len(writes) == 1 and results.count(writes[0]) == 1:
            call = self._expression(last)
            return lines, [call if index == writes[0] else self.names[index] for index in results]
        if whole and writes == results:
            return lines, [self._expression(last)]
        return [*lines, *self._statement(last)], [self.names[index] for index in results]

    def _statement(self, visit: Visit) -> list[str]:
        expression = self._expression(visit)
        freed = [self.names[index] for index in visit.done]
        return expression.lines(f"{self._target(visit, freed)} = ", "", 2)

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

    # Names

    def _target(self, visit: Visit, freed: list[str]) -> str:
        """Names what a call makes; the name of what it used up is free again."""
        if not visit.writes:
            return "_"
        free = [name for name in freed if "[" not in name]
        self.taken -= set(free)
        *kept, last = visit.writes
        levels = [self._level(index) for index in kept]
        apart = not self.branch.path and len(set(levels)) == len(levels)
        if len(visit.writes) > UNPACKED and not apart:
            name = self._fresh(f"{visit.child}_maps")
            self.names.update({index: f"{name}[{n}]" for n, index in enumerate(visit.writes)})
            return name
        # What runs on is named first; what is kept beside it is called by its level, or by what made it.
        self.names[last] = self._take(self._running(visit, free))
        role = "skip" if visit.child == "encoder" else "x"
        for index, level in zip(kept, levels, strict=True):
            self.names[index] = self._fresh(f"{role}{level}" if apart else visit.child)
        return ", ".join(self.names[index] for index in visit.writes)

    def _running(self, visit: Visit, free: list[str]) -> str:
        """A name for what runs on through the module; where it is one of those that are kept, by what made it."""
        results, last = self.branch.results, visit.writes[-1]
        if visit.child[:1].isdigit() and last in results and len(results) > 1 and len(visit.writes) == 1:
            return self._named(visit.child)
        running = [name for name in _RUNNING if name in free or name not in self.taken]
        if set(free) & {*running}:
            return next(name for name in running if name in free)
        if free and self.branch.path and not self.indexed:
            return free[0]
        if "x" in running:
            return "x"
        if visit.child == "decoder" and not self.branch.path and len(visit.writes) > 1:
            return self._named(f"x{self._level(last)}")
        passing = self._passing(visit) or visit.child in dir(builtins)
        return running[0] if running and passing else self._named(visit.child)

    def _passing(self, visit: Visit) -> bool:
        """Whether the next call alone reads what a call makes."""
        index = visit.writes[-1]
        following = self.branch.visits[self.branch.visits.index(visit) + 1 :]
        readers = [position for position, other in enumerate(following) if index in other.reads]
        return readers == [0] and index not in self.branch.results

    def _take(self, name: str) -> str:
        self.taken.add(name)
        return name

    def _named(self, child: str) -> str:
        """A name for what a child makes."""
        name = f"x{child}" if child[:1].isdigit() else child
        name = f"{name}_" if keyword.iskeyword(name) else name
        numbered = (f"{name}_{number}" for number in range(2, len(self.taken) + 3))
        return next(fresh for fresh in (name, *numbered) if fresh not in self.taken)

    def _fresh(self, child: str) -> str:
        return self._take(self._named(child))


def _inlined(target: str, arguments: Mapping[str, Any], given: list[str]) -> Expression:
    """A layer without numbers as the expression that it is."""
    if target == "layers.Concat":
        return called("torch.cat", [Expression("(", [*given], ")" if len(given) > 1 else ",)"), "dim=1"])
    if target == "layers.Maximum":
        return called("torch.maximum", [*given])
    if target == "layers.Take":
        return Expression(f"{given[0]}[{arguments['index']}]")
    return Expression((" + " if target == "layers.Add" else " * ").join(given))
