"""Budget: what every variant of a sweep is matched to, and by what."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from unetgen.ablation.sweeps.axis import Axis
from unetgen.analysis.measures import COST_METRICS, CostMetric
from unetgen.config.key_path import KeyPath, explain_unknown_path, parse_key_path
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError, did_you_mean

WIDTHS = "widths"
BUDGET_KEYS = ("tolerance", "by", "multiple")

# Channels that processors and group norms like to divide.
DEFAULT_MULTIPLE = 8

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")


@dataclass(frozen=True, slots=True)
class Budget:
    """A number that all variants shall reach within a tolerance.

    ``target`` is None for the base's own number, ``multiple`` None for the largest of 8, 4 and 2 that divides all of
    the base's widths.
    """

    node: YamlNode
    metric: CostMetric
    target: int | None = None
    tolerance: float = 0.01
    by: str = WIDTHS
    multiple: int | None = None

    @property
    def location(self) -> KeyPath:
        """Where the number stands that is rescaled, where that is not the widths."""
        return parse_key_path(self.by, self.node.mark)

    @property
    def path(self) -> str:
        """The same as text, however it was written."""
        return ".".join(self.location)

    def find_axis_conflicts(self, axes: Iterable[Axis]) -> list[Problem]:
        """What is wrong where an axis decides the very number that is rescaled. Widths have proportions to vary."""
        if self.by == WIDTHS:
            return []
        deciding = [axis for axis in axes if self.location in axis.leaf_locations]
        names = ["the list of variants" if axis.is_variant_list else f"the axis {axis.name!r}" for axis in deciding]
        by, way = self.node.find(("by",)), "match by widths, or by a number that no axis decides"
        return [by.problem("match", f"{name} decides {self.path}, and matching would undo it", way) for name in names]


def read_budget(node: YamlNode, registry: Registry) -> tuple[Budget | None, list[Problem]]:
    """The budget that ``match`` describes, or what is wrong with it."""
    if not isinstance(node.value, dict):
        return None, [node.problem("match", "this is no budget", "write {params: base, tolerance: 1%}")]
    problems = [
        _make_unknown_key_problem(key, child)
        for key, child in node.value.items()
        if key not in (*BUDGET_KEYS, *COST_METRICS)
    ]
    named = [key for key in node.value if key in COST_METRICS]
    if len(named) != 1:
        what = f"it names {' and '.join(named) or 'no measure'}"
        problems.append(node.problem("match", what, f"give one of {', '.join(COST_METRICS)}"))
    values = {key: child for key, child in node.value.items() if key in (*BUDGET_KEYS, *named)}
    problems += [problem for key, child in values.items() if (problem := _check_value(key, child, registry))]
    if problems:
        return None, problems
    plain = {key: child.to_data() for key, child in values.items()}
    target = plain[named[0]]
    return Budget(
        node,
        COST_METRICS[named[0]],
        None if target == "base" else target,
        _parse_tolerance(plain.get("tolerance", "1%")) or 0.0,
        plain.get("by", WIDTHS),
        plain.get("multiple"),
    ), []


def _make_unknown_key_problem(key: str, node: YamlNode) -> Problem:
    known = (*COST_METRICS, *BUDGET_KEYS)
    return node.key_problem(
        "unknown_key", "unknown key of match", did_you_mean(key, known) or f"its keys are {', '.join(known)}"
    )


def _check_value(key: str, node: YamlNode, registry: Registry) -> Problem | None:
    value = node.to_data()
    if key == "by":
        return _check_path(node, registry)
    if key == "tolerance":
        if _parse_tolerance(value) is not None:
            return None
        return node.problem("match", f"{value!r} is no tolerance below 100 %", "write 1% or 0.01")
    if key == "multiple":
        right = type(value) is int and 1 <= value <= 1024
        return None if right else node.problem("match", f"{value!r} is not a whole number from 1 to 1024", "write 8")
    right = value == "base" or (type(value) is int and value > 0)
    return None if right else node.problem("match", f"{value!r} is no budget", "write 'base', or a whole number")


def _check_path(node: YamlNode, registry: Registry) -> Problem | None:
    if not isinstance(node.value, str):
        return node.problem("match", "a path is text", "write widths, or block.repeats")
    try:
        wrong = explain_unknown_path(parse_key_path(node.value, node.mark), registry)
    except SpecError as error:
        return error.problems[0]
    return node.problem("unknown_path", *wrong) if wrong else None


def _parse_tolerance(value: object) -> float | None:
    """A tolerance as a share of one; None where it is none."""
    if isinstance(value, str):
        match = _PERCENT.match(value)
        value = float(match[1]) / 100 if match else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1 else None
