"""Define and parse the budget that every variant of a sweep is matched to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unetgen.ablation.sweeps.axis import Axis
from unetgen.analysis.measures import COST_METRICS, CostMetric
from unetgen.analysis.report import NetworkReport
from unetgen.config.key_path import KeyPath, explain_unknown_path, parse_key_path
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError, did_you_mean

WIDTHS = "widths"
LIMITS = "at_most"
BUDGET_KEYS = ("tolerance", "by", "multiple", LIMITS)

# A multiple that suits processors and the groups of group norms.
DEFAULT_MULTIPLE = 8

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")


@dataclass(frozen=True, slots=True)
class Budget:
    """A value of a cost metric that all variants must reach within a tolerance.

    ``target`` None means the base's own value. ``by`` is the path that is rescaled, or ``widths`` for the widths of
    all levels. ``multiple`` None means the largest of 8, 4, 2 and 1 that divides all widths of the base.
    """

    node: YamlNode
    metric: CostMetric
    target: int | None = None
    tolerance: float = 0.01
    by: str = WIDTHS
    multiple: int | None = None
    limits: Mapping[CostMetric, int | float | None] = field(default_factory=dict)
    """The largest value of other metrics: a whole number, a factor of the base's value, or None for that itself."""

    def compute_limits(self, base: NetworkReport) -> dict[CostMetric, int]:
        """Return the largest value of each metric that is limited."""
        return {
            metric: limit if isinstance(limit, int) else int((limit or 1) * metric.compute(base) + 1e-6)
            for metric, limit in self.limits.items()
        }

    @property
    def location(self) -> KeyPath:
        """The location of the number that is rescaled, if that is not the widths."""
        return parse_key_path(self.by, self.node.mark)

    @property
    def path(self) -> str:
        """The location as a dotted path, in normal form."""
        return ".".join(self.location)

    def find_axis_conflicts(self, axes: Iterable[Axis]) -> list[Problem]:
        """Return a problem for each axis that sets the number that is rescaled.

        Axes may set widths: matching rescales them and keeps their proportions.
        """
        if self.by == WIDTHS:
            return []
        conflicting = [axis for axis in axes if self.location in axis.leaf_locations]
        names = ["the list of variants" if axis.is_variant_list else f"axis {axis.name!r}" for axis in conflicting]
        by, hint = self.node.find(("by",)), "match by widths, or by a number that no axis sets"
        return [by.problem("match", f"{name} sets {self.path}, which matching would override", hint) for name in names]


def read_budget(node: YamlNode, registry: Registry) -> tuple[Budget | None, list[Problem]]:
    """Parse the ``match`` mapping of a sweep file.

    Args:
        node: The value of ``match``.
        registry: The installed parts, to check the path of ``by``.

    Returns:
        The budget, or None and the problems found.
    """
    if not isinstance(node.value, dict):
        return None, [node.problem("match", "'match' must be a mapping", "write {params: base, tolerance: 1%}")]
    problems = [
        _make_unknown_key_problem(key, child)
        for key, child in node.value.items()
        if key not in (*BUDGET_KEYS, *COST_METRICS)
    ]
    metrics = [key for key in node.value if key in COST_METRICS]
    if len(metrics) != 1:
        message = f"'match' must have exactly one metric, but has {' and '.join(metrics) or 'none'}"
        hint = f"use one of {', '.join(COST_METRICS)}"
        if metrics:
            hint = f"match {metrics[0]}, and limit the other with at_most: {{{metrics[1]}: base}}"
        problems.append(node.problem("match", message, hint))
    values = {key: child for key, child in node.value.items() if key in (*BUDGET_KEYS, *metrics)}
    problems += [
        problem for key, child in values.items() if key != LIMITS and (problem := _check_value(key, child, registry))
    ]
    problems += _check_limits(values[LIMITS], metrics) if LIMITS in values else []
    if problems:
        return None, problems
    options = {key: child.to_data() for key, child in values.items()}
    target = options[metrics[0]]
    return Budget(
        node,
        COST_METRICS[metrics[0]],
        None if target == "base" else target,
        _parse_tolerance(options.get("tolerance", "1%")) or 0.0,
        options.get("by", WIDTHS),
        options.get("multiple"),
        {COST_METRICS[name]: _parse_limit(value) for name, value in options.get(LIMITS, {}).items()},
    ), []


def _check_limits(node: YamlNode, matched: list[str]) -> list[Problem]:
    if not isinstance(node.value, dict) or not node.value:
        return [node.problem("match", "'at_most' must be a mapping", "write at_most: {macs: 110%}")]
    others = [name for name in COST_METRICS if name not in matched]
    problems = []
    for name, child in node.value.items():
        value = child.to_data()
        if name in matched:
            message = f"{name} is matched already"
            problems.append(child.key_problem("match", message, f"limit one of {', '.join(others)}"))
        elif name not in COST_METRICS:
            hint = did_you_mean(name, others) or f"use one of {', '.join(others)}"
            problems.append(child.key_problem("unknown_key", "unknown metric", hint))
        elif value != "base" and not (type(value) is int and value > 0) and not _parse_limit(value):
            message = f"{value!r} is not a limit"
            problems.append(child.problem("match", message, "write 'base', 110% of the base, or a whole number"))
    return problems


def _parse_limit(value: object) -> int | float | None:
    """Parse a limit: a whole number, a percentage as a factor, or None for the base's own value."""
    if isinstance(value, str):
        match = _PERCENT.match(value)
        return float(match[1]) / 100 if match else None
    return value if type(value) is int else None


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
        return node.problem(
            "match", f"tolerance must be at least 0 % and below 100 %, not {value!r}", "write 1% or 0.01"
        )
    if key == "multiple":
        is_valid = type(value) is int and 1 <= value <= 1024
        return None if is_valid else node.problem("match", f"{value!r} is not a whole number from 1 to 1024", "write 8")
    if value == "base" or (type(value) is int and value > 0):
        return None
    return node.problem("match", f"{value!r} is not a budget", "write 'base' or a positive whole number")


def _check_path(node: YamlNode, registry: Registry) -> Problem | None:
    if not isinstance(node.value, str):
        return node.problem("match", "a path must be text", "write widths or block.repeats")
    try:
        explanation = explain_unknown_path(parse_key_path(node.value, node.mark), registry)
    except SpecError as error:
        return error.problems[0]
    return node.problem("unknown_path", *explanation) if explanation else None


def _parse_tolerance(value: object) -> float | None:
    """Parse a tolerance as a fraction, from ``"1%"`` or ``0.01``; None if invalid."""
    if isinstance(value, str):
        match = _PERCENT.match(value)
        value = float(match[1]) / 100 if match else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1 else None
