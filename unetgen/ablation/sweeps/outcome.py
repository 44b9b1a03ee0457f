"""Outcome: what becomes of one combination of a sweep's choices, if it does not become a variant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unetgen.ablation.sweeps.matching.budget import WIDTHS
from unetgen.ablation.sweeps.matching.scale_grid import GridPoint
from unetgen.ablation.sweeps.matching.search import Match
from unetgen.errors import PluginError, Problem


@dataclass(frozen=True, slots=True)
class Invalid:
    """A combination that is no network, with every reason. The problems point into the sweep's file."""

    label: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class BudgetNotReached:
    """A network that cannot be rescaled to the budget."""

    label: str
    match: Match

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What comes nearest, and what stood in the way."""
        match, budget = self.match, self.match.budget
        unit = f"{budget.metric.unit} of " if budget.metric.unit else ""
        within = f"within {100 * budget.tolerance:g} % of {match.target:,} {unit}{budget.metric.title}"
        ways = [
            *self._iter_nearest_hints(),
            *self._iter_rejection_hints(),
            "raise the tolerance, or match by something else",
        ]
        return (
            budget.node.problem("unmatched", f"{self._describe_search_space()} a network {within}", "; ".join(ways)),
        )

    def _describe_search_space(self) -> str:
        multiple, budget = self.match.grid.multiple, self.match.budget
        if budget.by == WIDTHS:
            steps = f"multiples of {multiple}" if multiple > 1 else "whole numbers"
            return f"no widths in {steps} and near these proportions give"
        return f"no {f'multiple of {multiple}' if multiple > 1 else 'whole number'} for {budget.path} gives"

    def _iter_nearest_hints(self) -> Iterator[str]:
        near = [point for point in (self.match.below, self.match.above) if point is not None]
        if near:
            told = " and ".join(f"{point.value:,} with {self._format_grid_point(point.grid_point)}" for point in near)
            yield f"the nearest {'give' if len(near) > 1 else 'gives'} {told}"

    def _iter_rejection_hints(self) -> Iterator[str]:
        if self.match.nearest_rejected is not None:
            rung, problem = self.match.nearest_rejected
            yield f"with {self._format_grid_point(rung)} it is no network: {problem.message}"

    def _format_grid_point(self, grid_point: GridPoint) -> str:
        return ", ".join(f"{path} {value}" for path, value in self.match.grid.to_settings(grid_point).items())


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A combination that says in other words what an earlier one says."""

    settings: str
    original_settings: str
    """The settings of the earlier one."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A combination that a condition leaves out."""

    label: str


@dataclass(frozen=True, slots=True)
class PluginFailed:
    """A combination whose plugin failed."""

    label: str
    error: PluginError
