"""Outcome: what becomes of one combination of a sweep's choices, if it does not become a variant."""

from __future__ import annotations

from dataclasses import dataclass

from unetgen.ablation.matching.search import Match, Point
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
        """What comes nearest."""
        match, budget = self.match, self.match.budget
        nearest = [self._told(point) for point in (match.below, match.above) if point is not None]
        steps = f"multiples of {match.ladder.multiple}" if match.ladder.multiple > 1 else "whole numbers"
        unit = f"{budget.measure.unit} of " if budget.measure.unit else ""
        within = f"within {100 * budget.tolerance:g} % of {match.target:,} {unit}{budget.measure.title}"
        what = f"no {budget.by} in {steps} and near these proportions give a network {within}"
        way = f"the nearest give {' and '.join(nearest)}; raise the tolerance, or match by something else"
        return (budget.node.problem("unmatched", what, way),)

    def _told(self, point: Point) -> str:
        settings = self.match.ladder.settings(point.rung)
        return f"{point.value:,} with " + ", ".join(f"{path} {value}" for path, value in settings.items())


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
