"""A sweep's conditions from the nodes that write them, with every name and word that no variant can have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unetgen.ablation.sweeps.axis import Axis
from unetgen.ablation.sweeps.conditions.condition import Condition
from unetgen.config.key_path import explain_unknown_path
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import SLOT_BY_KEY
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError, did_you_mean

# A fact and the way out.
MessageAndHint = tuple[str, str]


class ConditionReader:
    """Reads the conditions of one sweep; remembers what is wrong."""

    def __init__(self, axes: Sequence[Axis], registry: Registry) -> None:
        self.labels_by_axis = dict(_iter_axis_labels(axes))
        self.registry = registry
        self.problems: list[Problem] = []

    def read_condition(self, node: YamlNode) -> Condition | None:
        """The condition that a node writes, if it writes one."""
        try:
            condition = Condition.read(node)
        except SpecError as error:
            self.problems += error.problems
            return None
        expression = condition.expression
        found = [self._check_name(name) for name in expression.names]
        found += [self._check_literal(name, word) for name, word in expression.literal_comparisons]
        self.problems += [node.problem("where", *fault) for fault in found if fault is not None]
        return condition

    def _check_name(self, name: str) -> MessageAndHint | None:
        """Why a name is none."""
        fault = None if name in self.labels_by_axis else explain_unknown_path(tuple(name.split(".")), self.registry)
        if (
            fault is None
            or "." in name
            or did_you_mean(name, self.labels_by_axis)
            or fault[1].startswith("did you mean")
        ):
            return fault
        return fault[0], f"if it is a word, write '{name}' in quotes"

    def _check_literal(self, name: str, literal: str) -> MessageAndHint | None:
        """Why no variant has a word at a path: no part and no label is called so."""
        if name in self.labels_by_axis:
            labels = self.labels_by_axis[name]
            near = did_you_mean(literal, labels) or f"its labels are {', '.join(labels)}"
            return None if literal in labels else (f"{literal!r} is no label of the axis {name!r}", near)
        steps = name.removesuffix(".type").split(".")
        slot = SLOT_BY_KEY.get("fusion" if steps[-1] == "skip" else steps[-1])
        if slot is None:
            return None
        entry = self.registry.find(slot, literal)
        if entry is None:
            return self.registry.explain_missing(slot, literal)
        told = literal if entry.provider.is_builtin or "/" in literal else f"{entry.provider.name}/{literal}"
        return (
            None
            if told == literal
            else (f"{slot} {literal!r} is a plugin's, and told by its whole name", f"write {told!r}")
        )


def _iter_axis_labels(axes: Sequence[Axis]) -> Iterator[tuple[str, list[str]]]:
    """The axes that give their choices labels, those under labels too."""
    for axis in axes:
        if axis.has_labels:
            yield axis.name, [choice.label for choice in axis.choices]
        for choice in axis.choices:
            yield from _iter_axis_labels(choice.nested_axes)
