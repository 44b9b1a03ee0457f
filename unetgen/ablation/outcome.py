"""Outcome: what becomes of one combination of a sweep's choices, if it does not become a variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unetgen.ablation.axis import Setting
from unetgen.ablation.matching import Match, Point
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
        within = f"within {100 * budget.tolerance:g} % of {match.target:,} {budget.measure.title}"
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


def pointed(problem: Problem, settings: Sequence[Setting]) -> Problem:
    """A problem at the setting that speaks of its place, or at the first one, with its own mark in the message."""
    sources = {setting.value.mark.source for setting in settings}
    if not settings or (problem.mark and problem.mark.source in sources):
        return problem
    top = problem.path.partition(".")[0].partition("[")[0]
    about = next((setting for setting in settings if setting.location[0] == top), settings[0])
    found = f"{problem.message} ({problem.mark})" if problem.mark and problem.mark.source else problem.message
    return replace(problem, message=found, mark=about.value.mark)
