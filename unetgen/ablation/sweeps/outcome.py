"""Define the outcomes of a combination of choices that is not a variant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unetgen.ablation.sweeps.matching.budget import WIDTHS
from unetgen.ablation.sweeps.matching.match import Match, find_exceeded_limit
from unetgen.ablation.sweeps.matching.scale_grid import GridPoint
from unetgen.errors import PluginError, Problem


@dataclass(frozen=True, slots=True)
class Invalid:
    """A combination that is not a valid network, with all problems; they point into the sweep file."""

    label: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class BudgetNotReached:
    """A network that cannot be rescaled to the budget."""

    label: str
    match: Match

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problem, with the nearest networks and the nearest invalid one in the hint."""
        match, budget = self.match, self.match.budget
        unit = f"{budget.metric.unit} of " if budget.metric.unit else ""
        within = f"within {100 * budget.tolerance:g} % of {match.target:,} {unit}{budget.metric.title}"
        lower = "lower 'multiple', " if match.grid.multiple > 1 else ""
        hints = [
            *self._iter_nearest_hints(),
            *self._iter_refusal_hints(),
            *self._iter_rejection_hints(),
            f"raise the tolerance, {lower}or match by another path",
        ]
        return (
            budget.node.problem("unmatched", f"{self._describe_search_space()} a network {within}", "; ".join(hints)),
        )

    def _describe_search_space(self) -> str:
        multiple, budget = self.match.grid.multiple, self.match.budget
        if budget.by == WIDTHS:
            steps = f"multiples of {multiple}" if multiple > 1 else "whole numbers"
            return f"no widths in {steps} near these proportions give"
        return f"no {f'multiple of {multiple}' if multiple > 1 else 'whole number'} for {budget.path} gives"

    def _iter_nearest_hints(self) -> Iterator[str]:
        nearest = [evaluation for evaluation in (self.match.below, self.match.above) if evaluation is not None]
        if nearest:
            values = [f"{near.value:,} with {self._format_grid_point(near.grid_point)}" for near in nearest]
            yield f"the nearest {'give' if len(nearest) > 1 else 'gives'} {' and '.join(values)}"

    def _iter_refusal_hints(self) -> Iterator[str]:
        match = self.match
        if match.refused is not None:
            verdict = "change the order or the proportions"
            if metric := find_exceeded_limit(match.refused.report, match.limits):
                unit = f"{metric.unit} of " if metric.unit else ""
                value, limit = metric.compute(match.refused.report), match.limits[metric]
                verdict = f"need {value:,} {unit}{metric.title}, above the limit of {limit:,}"
            yield f"{self._format_grid_point(match.refused.grid_point)} would, but {verdict}"

    def _iter_rejection_hints(self) -> Iterator[str]:
        if self.match.nearest_rejected is not None:
            grid_point, problem = self.match.nearest_rejected
            yield f"with {self._format_grid_point(grid_point)} the network is invalid: {problem.message}"

    def _format_grid_point(self, grid_point: GridPoint) -> str:
        return ", ".join(f"{path} {value}" for path, value in self.match.grid.to_settings(grid_point).items())


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A combination that gives the same network as an earlier one."""

    settings: str
    original_settings: str
    """The settings of the earlier one."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A combination that does not meet a condition."""

    label: str


@dataclass(frozen=True, slots=True)
class PluginFailed:
    """A combination whose plugin failed."""

    label: str
    error: PluginError
