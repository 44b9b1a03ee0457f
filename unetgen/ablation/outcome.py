"""Outcome: what becomes of one combination of a sweep's choices, if it does not become a variant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unetgen.ablation.matching.budget import WIDTHS
from unetgen.ablation.matching.ladder import Rung
from unetgen.ablation.matching.search import Match
from unetgen.errors import PluginError, Problem


@dataclass(frozen=True, slots=True)
class Invalid:
    """A combination that is no network, with every reason. The problems point into the sweep's file."""

    words: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A network that cannot be rescaled to the budget."""

    words: str
    match: Match

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What comes nearest, and what stood in the way."""
        match, budget = self.match, self.match.budget
        unit = f"{budget.measure.unit} of " if budget.measure.unit else ""
        within = f"within {100 * budget.tolerance:g} % of {match.target:,} {unit}{budget.measure.title}"
        ways = [*self._nearest(), *self._refused(), "raise the tolerance, or match by something else"]
        return (budget.node.problem("unmatched", f"{self._nothing()} a network {within}", "; ".join(ways)),)

    def _nothing(self) -> str:
        multiple, budget = self.match.ladder.multiple, self.match.budget
        if budget.by == WIDTHS:
            steps = f"multiples of {multiple}" if multiple > 1 else "whole numbers"
            return f"no widths in {steps} and near these proportions give"
        return f"no {f'multiple of {multiple}' if multiple > 1 else 'whole number'} for {budget.path} gives"

    def _nearest(self) -> Iterator[str]:
        near = [point for point in (self.match.below, self.match.above) if point is not None]
        if near:
            told = " and ".join(f"{point.value:,} with {self._said(point.rung)}" for point in near)
            yield f"the nearest {'give' if len(near) > 1 else 'gives'} {told}"

    def _refused(self) -> Iterator[str]:
        if self.match.refused is not None:
            rung, problem = self.match.refused
            yield f"with {self._said(rung)} it is no network: {problem.message}"

    def _said(self, rung: Rung) -> str:
        return ", ".join(f"{path} {value}" for path, value in self.match.ladder.settings(rung).items())


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A combination that says in other words what an earlier one says."""

    settings: str
    of: str
    """The settings of the earlier one."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A combination that a condition leaves out."""

    words: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A combination whose plugin failed."""

    words: str
    error: PluginError
