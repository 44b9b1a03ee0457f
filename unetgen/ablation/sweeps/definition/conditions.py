"""Parse the conditions of a sweep file, and report names and literals that no variant can have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unetgen.ablation.sweeps.axis import Axis
from unetgen.ablation.sweeps.conditions.condition import Condition
from unetgen.config.key_path import explain_unknown_path
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import SLOT_BY_KEY
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError, did_you_mean

# A message and its hint.
MessageAndHint = tuple[str, str]


class ConditionReader:
    """Parses the conditions of one sweep and collects problems."""

    def __init__(self, axes: Sequence[Axis], registry: Registry) -> None:
        self.labels_by_axis = dict(_iter_axis_labels(axes))
        self.registry = registry
        self.problems: list[Problem] = []

    def read_condition(self, node: YamlNode) -> Condition | None:
        """Parse a condition; None, with a problem, if it is not one."""
        try:
            condition = Condition.read(node)
        except SpecError as error:
            self.problems += error.problems
            return None
        expression = condition.expression
        faults = [self._check_name(name) for name in expression.names]
        faults += [self._check_literal(name, literal) for name, literal in expression.literal_comparisons]
        self.problems += [node.problem("where", *fault) for fault in faults if fault is not None]
        return condition

    def _check_name(self, name: str) -> MessageAndHint | None:
        """Return why a name is neither a path nor an axis with labels, or None if it is one."""
        fault = None if name in self.labels_by_axis else explain_unknown_path(tuple(name.split(".")), self.registry)
        if (
            fault is None
            or "." in name
            or did_you_mean(name, self.labels_by_axis)
            or fault[1].startswith("did you mean")
        ):
            return fault
        return fault[0], f"to compare with text, write '{name}' in quotes"

    def _check_literal(self, name: str, literal: str) -> MessageAndHint | None:
        """Return why no variant can have a literal at a path, or None if one can."""
        if name in self.labels_by_axis:
            labels = self.labels_by_axis[name]
            hint = did_you_mean(literal, labels) or f"use one of {', '.join(labels)}"
            return None if literal in labels else (f"{literal!r} is not a label of axis {name!r}", hint)
        steps = name.removesuffix(".type").split(".")
        slot = SLOT_BY_KEY.get("fusion" if steps[-1] == "skip" else steps[-1])
        if slot is None:
            return None
        entry = self.registry.find(slot, literal)
        if entry is None:
            return self.registry.explain_missing(slot, literal)
        if entry.provider.is_builtin or "/" in literal:
            return None
        return (
            f"{slot} {literal!r} comes from a plugin and needs its full name",
            f"write '{entry.provider.name}/{literal}'",
        )


def _iter_axis_labels(axes: Sequence[Axis]) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and labels of every axis that has labels, including nested axes."""
    for axis in axes:
        if axis.has_labels:
            yield axis.name, [choice.label for choice in axis.choices]
        for choice in axis.choices:
            yield from _iter_axis_labels(choice.nested_axes)
