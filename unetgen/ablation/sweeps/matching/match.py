"""Define the result of matching a variant to its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from unetgen.ablation.sweeps.matching.budget import Budget
from unetgen.ablation.sweeps.matching.scale_grid import GridPoint, ScaleGrid
from unetgen.analysis.measures import CostMetric
from unetgen.analysis.report import NetworkReport
from unetgen.errors import Problem


class Evaluation(NamedTuple):
    """An evaluated grid point, with the value of the metric and the report."""

    grid_point: GridPoint
    value: int
    report: NetworkReport


@dataclass(frozen=True)
class Match:
    """The result of matching a variant to its budget."""

    budget: Budget
    target: int
    grid: ScaleGrid
    best: Evaluation
    below: Evaluation | None
    """The nearest evaluated grid point that is not above the target."""
    above: Evaluation | None
    """The nearest evaluated grid point above the target."""
    nearest_rejected: tuple[GridPoint, Problem] | None
    """The grid point nearest to the start that is not a valid network, and its first problem."""
    num_evaluations: int
    """The number of networks that were evaluated."""
    limits: Mapping[CostMetric, int] = field(default_factory=dict)
    """The largest value of each metric that is limited."""
    refused: Evaluation | None = None
    """The evaluated grid point nearest to the target that changes the proportions or exceeds a limit."""

    @property
    def deviation(self) -> float:
        """The relative difference from the target."""
        return self.best.value / self.target - 1

    @property
    def is_within_tolerance(self) -> bool:
        """Whether the deviation is within the budget's tolerance, and no limit is exceeded."""
        is_near = abs(self.best.value - self.target) <= self.budget.tolerance * self.target
        return is_near and find_exceeded_limit(self.best.report, self.limits) is None

    @property
    def settings(self) -> dict[str, Any]:
        """The rescaled numbers by path; empty if the variant matched without rescaling."""
        return {} if self.best.grid_point == self.grid.start else self.grid.to_settings(self.best.grid_point)


def find_exceeded_limit(report: NetworkReport, limits: Mapping[CostMetric, int]) -> CostMetric | None:
    """Return the first metric of a network that exceeds its limit, or None."""
    return next((metric for metric, limit in limits.items() if metric.compute(report) > limit), None)
