"""A sweep's conditions from the nodes that write them, with every name and word that no variant can have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unetgen.ablation.axis import Axis
from unetgen.ablation.where.condition import Condition
from unetgen.config.node import Node
from unetgen.config.paths import unknown
from unetgen.config.registry import Registry
from unetgen.config.slots import SLOT_OF
from unetgen.errors import Problem, SpecError, did_you_mean

# A fact and the way out.
Fault = tuple[str, str]


class ConditionReader:
    """Reads the conditions of one sweep; remembers what is wrong."""

    def __init__(self, axes: Sequence[Axis], registry: Registry) -> None:
        self.labels = dict(_labels(axes))
        self.registry = registry
        self.problems: list[Problem] = []

    def condition(self, node: Node) -> Condition | None:
        """The condition that a node writes, if it writes one."""
        try:
            condition = Condition.read(node)
        except SpecError as error:
            self.problems += error.problems
            return None
        expression = condition.expression
        found = [self._nowhere(name) for name in expression.names]
        found += [self._never(name, word) for name, word in expression.words]
        self.problems += [node.problem("where", *fault) for fault in found if fault is not None]
        return condition

    def _nowhere(self, name: str) -> Fault | None:
        """Why a name is none."""
        fault = None if name in self.labels else unknown(tuple(name.split(".")), self.registry)
        if fault is None or "." in name or did_you_mean(name, self.labels) or fault[1].startswith("did you mean"):
            return fault
        return fault[0], f"if it is a word, write '{name}' in quotes"

    def _never(self, name: str, word: str) -> Fault | None:
        """Why no variant has a word at a path: no part and no label is called so."""
        if name in self.labels:
            labels = self.labels[name]
            near = did_you_mean(word, labels) or f"its labels are {', '.join(labels)}"
            return None if word in labels else (f"{word!r} is no label of the axis {name!r}", near)
        steps = name.removesuffix(".type").split(".")
        slot = SLOT_OF.get("fusion" if steps[-1] == "skip" else steps[-1])
        if slot is None:
            return None
        entry = self.registry.find(slot, word)
        if entry is None:
            return self.registry.explain_missing(slot, word)
        told = word if entry.provider.builtin or "/" in word else f"{entry.provider.name}/{word}"
        return (
            None if told == word else (f"{slot} {word!r} is a plugin's, and told by its whole name", f"write {told!r}")
        )


def _labels(axes: Sequence[Axis]) -> Iterator[tuple[str, list[str]]]:
    """The axes that give their choices labels, those under labels too."""
    for axis in axes:
        if axis.named:
            yield axis.name, [choice.label for choice in axis.choices]
        for choice in axis.choices:
            yield from _labels(choice.inner)
