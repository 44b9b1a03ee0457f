"""Search for the scale at which a variant's cost metric reaches its budget.

A cost metric grows roughly as a power of the scale, so a secant search in log-log space finds the scale. If the grid
points on both sides of the target are outside the tolerance, a local search moves single numbers by one or two steps:
the change per step of each number predicts which combinations of moves come near the target, and the most promising
are evaluated, those that change the proportions least first. Points that change the order of the numbers, or their
proportions by more than the grid requires, are never chosen, nor are points beyond a limit. Grid points that are not
valid networks are avoided with coarser grids and smaller steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations, product
from math import copysign, exp, log
from types import MappingProxyType
from typing import Any, NamedTuple

from unetgen.ablation.sweeps.matching.budget import Budget
from unetgen.ablation.sweeps.matching.match import Evaluation, Match, find_exceeded_limit
from unetgen.ablation.sweeps.matching.scale_grid import GridPoint, ScaleGrid
from unetgen.analysis.measures import CostMetric
from unetgen.analysis.report import NetworkReport
from unetgen.errors import Problem, SpecError

# Builds the report of the variant with some settings overridden. Raises SpecError if it is not a valid network.
ReportBuilder = Callable[[Mapping[str, Any]], NetworkReport]

# Limits of the search; they suffice to bracket the target from any start if that is possible.
MAX_EVALUATIONS = 40
MAX_REJECTED = 80
MAX_CANDIDATES = 5

# A metric that grows slower than this power of the scale is considered flat. Peak memory can be flat for a step or two;
# a metric that is flat over a factor of four does not depend on the scale.
MIN_GROWTH_EXPONENT = 0.001
MAX_FLAT_LOG_SCALE = log(4)

# The local search starts only from points within this fraction of the target.
MAX_LOCAL_START_DISTANCE = 0.25


class BracketEnd(NamedTuple):
    """One end of the bracket around the target: a log scale and the evaluation there."""

    log_scale: float
    evaluation: Evaluation

    @property
    def log_value(self) -> float:
        """The logarithm of the metric's value."""
        return log(max(self.evaluation.value, 1))


def match_to_budget(
    build_report: ReportBuilder,
    initial_report: NetworkReport,
    grid: ScaleGrid,
    budget: Budget,
    target: int,
    limits: Mapping[CostMetric, int] = MappingProxyType({}),
) -> Match:
    """Search the grid for the point nearest to the target.

    Args:
        build_report: Builds the report of the variant with some settings overridden.
        initial_report: The report of the variant at the grid's start.
        grid: The numbers that can be chosen. The start counts as a candidate even if it is off the grid.
        budget: The metric and its tolerance.
        target: The metric's target value.
        limits: The largest value of other metrics.

    Returns:
        The best point found, and its neighbours on both sides of the target.
    """
    search = _Search(build_report, budget, target, grid, limits)
    search.record_evaluation(grid.start, initial_report)
    search.run()
    return search.build_match()


class _Search:
    def __init__(
        self,
        build_report: ReportBuilder,
        budget: Budget,
        target: int,
        grid: ScaleGrid,
        limits: Mapping[CostMetric, int],
    ) -> None:
        self.build_report, self.budget, self.target, self.grid = build_report, budget, target, grid
        self.limits = limits
        self.evaluations: dict[GridPoint, Evaluation] = {}
        self.rejected: dict[GridPoint, Problem] = {}
        # The grid, and coarser ones once a point was rejected; the last successful one is first.
        self.grids = [grid]

    def run(self) -> None:
        """Search for a point within the tolerance, along the scale and then around the nearest points."""
        if not self.is_done:
            is_bracketed = self._bracket()
            is_near = any(
                self._compute_distance(evaluation) <= MAX_LOCAL_START_DISTANCE * self.target
                for evaluation in self._list_allowed_by_distance()
            )
            # A single number has no other numbers to trade off against.
            if len(self.grid.start) > 1 and (is_bracketed or is_near):
                self._search_locally()

    def build_match(self) -> Match:
        """Return the best point so far; the start may be off the grid if it is within the tolerance."""
        evaluations, start = self._list_allowed_by_distance(), self.evaluations[self.grid.start]
        below = next((evaluation for evaluation in evaluations if evaluation.value <= self.target), None)
        above = next((evaluation for evaluation in evaluations if evaluation.value > self.target), None)
        best = evaluations[0] if evaluations and not self._is_solution(start) else start
        refused = [e for e in self.evaluations.values() if self._is_within_tolerance(e) and not self._is_solution(e)]
        rejected = min(self.rejected.items(), key=self._compute_distance_from_start, default=None)
        return Match(
            self.budget,
            self.target,
            self.grid,
            best,
            below,
            above,
            rejected,
            len(self.evaluations),
            self.limits,
            min(refused, key=self._compute_distance, default=None),
        )

    def record_evaluation(self, grid_point: GridPoint, report: NetworkReport) -> Evaluation:
        """Store the evaluation of a point."""
        self.evaluations[grid_point] = Evaluation(grid_point, self.budget.metric.compute(report), report)
        return self.evaluations[grid_point]

    @property
    def is_done(self) -> bool:
        """Whether a point is within the tolerance, or a limit of the search is reached."""
        is_exhausted = len(self.evaluations) >= MAX_EVALUATIONS or len(self.rejected) >= MAX_REJECTED
        return is_exhausted or any(map(self._is_solution, self.evaluations.values()))

    def _is_solution(self, evaluation: Evaluation) -> bool:
        return self._is_within_tolerance(evaluation) and self._keeps_proportions_and_limits(evaluation)

    def _keeps_proportions_and_limits(self, evaluation: Evaluation) -> bool:
        """Return whether a network keeps the proportions of the start and exceeds no limit."""
        grid_point = evaluation.grid_point
        is_proportional = grid_point == self.grid.start or self._keeps_proportions(grid_point)
        return is_proportional and find_exceeded_limit(evaluation.report, self.limits) is None

    def _keeps_proportions(self, grid_point: GridPoint) -> bool:
        return any(grid.keeps_proportions(grid_point) for grid in {self.grid, self.grids[0]})

    def _is_within_tolerance(self, evaluation: Evaluation) -> bool:
        return self._compute_distance(evaluation) <= self.budget.tolerance * self.target

    def _compute_distance(self, evaluation: Evaluation) -> int:
        return abs(evaluation.value - self.target)

    def _list_allowed_by_distance(self) -> list[Evaluation]:
        """Return the allowed evaluated points on the grid, nearest to the target first."""
        evaluations = [
            e
            for e in self.evaluations.values()
            if self.grid.contains(e.grid_point) and self._keeps_proportions_and_limits(e)
        ]
        return sorted(evaluations, key=self._compute_distance)

    def _compute_distance_from_start(self, rejection: tuple[GridPoint, Problem]) -> float:
        return sum(abs(log(n / first)) for n, first in zip(rejection[0], self.grid.start, strict=True))

    def _evaluate(self, grid_point: GridPoint) -> Evaluation | None:
        """Evaluate a point; None if it is not a valid network, for example if groups do not divide channels."""
        if grid_point not in self.evaluations and grid_point not in self.rejected:
            try:
                self.record_evaluation(grid_point, self.build_report(self.grid.to_settings(grid_point)))
            except SpecError as error:
                self.rejected[grid_point] = error.problems[0]
        return self.evaluations.get(grid_point)

    def _bracket(self) -> bool:
        """Narrow down neighbouring scales around the target; return whether both sides were found."""
        low: BracketEnd | None = None
        high: BracketEnd | None = None
        current = self._evaluate_next(lambda _: 0.0)
        while current is not None:
            previous = low or high
            low, high = (current, high) if current.evaluation.value <= self.target else (low, current)
            current = (
                self._evaluate_next(partial(self._find_scale_between, low, high))
                if low and high
                else self._step_outward(current, previous)
            )
        return low is not None and high is not None

    def _evaluate_next(self, choose_scale: Callable[[ScaleGrid], float | None]) -> BracketEnd | None:
        """Evaluate the scale chosen on each grid until one is a valid network; return it, or None."""
        for grid in self._iter_grids_adding_coarser():
            scale = None if self.is_done else choose_scale(grid)
            if scale is not None and (evaluation := self._evaluate(grid.find_nearest_point(exp(scale)))):
                self.grids.remove(grid)
                self.grids.insert(0, grid)
                return BracketEnd(scale, evaluation)
        return None

    def _iter_grids_adding_coarser(self) -> Iterator[ScaleGrid]:
        """Yield the grids in turn; coarser ones only after a point was rejected."""
        yield from tuple(self.grids)
        if self.rejected and len(self.grids) == 1:
            self.grids += self.grid.build_coarser_grids()
            yield from self.grids[1:]

    def _step_outward(self, current: BracketEnd, previous: BracketEnd | None) -> BracketEnd | None:
        """Evaluate a scale in the direction of the target, with smaller steps if it is not a valid network."""
        stride = self._estimate_stride(current, previous)
        while stride is not None:
            if end := self._evaluate_next(partial(self._find_scale_beyond, current, stride)):
                return end
            stride /= 2
            next_point = self.grid.find_nearest_point(exp(current.log_scale + stride))
            if next_point == self.grid.find_nearest_point(exp(current.log_scale)):
                return None
        return None

    def _estimate_stride(self, current: BracketEnd, previous: BracketEnd | None) -> float | None:
        """Estimate the log scale step to the target, slightly too far; None if the metric is flat."""
        gap = log(self.target) - current.log_value
        if previous is None:
            return 1.05 * gap / 2 or None
        step, change = current.log_scale - previous.log_scale, current.log_value - previous.log_value
        if change / step >= MIN_GROWTH_EXPONENT:
            return 1.05 * gap * step / change or None
        return copysign(max(2 * abs(step), log(2)), gap) if abs(step) < MAX_FLAT_LOG_SCALE else None

    @staticmethod
    def _find_scale_beyond(current: BracketEnd, stride: float, grid: ScaleGrid) -> float | None:
        """Return a scale a stride away, or farther until a number changes; None at the end of the grid."""
        lowest, highest = grid.log_scale_bounds
        scale, end, sign = current.log_scale, highest if stride > 0 else lowest, copysign(1, stride)
        while scale != end:
            scale = min(max(current.log_scale + stride, lowest), highest)
            # On a coarser grid, numbers can be behind those of a point on a finer grid.
            changes = [
                sign * (new - old)
                for new, old in zip(grid.find_nearest_point(exp(scale)), current.evaluation.grid_point, strict=True)
            ]
            if min(changes) >= 0 and any(changes):
                return scale
            stride *= 2
        return None

    def _find_scale_between(self, low: BracketEnd, high: BracketEnd, grid: ScaleGrid) -> float | None:
        """Return a scale between two, by the secant method; None if no grid point is between theirs."""
        fraction = (log(self.target) - low.log_value) / (high.log_value - low.log_value)
        first, last = low.log_scale, high.log_scale
        scale = first + fraction * (last - first)
        while last - first > 1e-9:
            grid_point = grid.find_nearest_point(exp(scale))
            if grid_point not in (low.evaluation.grid_point, high.evaluation.grid_point):
                return scale
            first, last = (scale, last) if grid_point == low.evaluation.grid_point else (first, scale)
            scale = (first + last) / 2
        return None

    def _search_locally(self) -> None:
        """Move single numbers by up to two steps, around the nearest point first, then the next ones."""
        centres: set[GridPoint] = set()
        while not self.is_done and (
            rest := [e for e in self._list_allowed_by_distance() if e.grid_point not in centres]
        ):
            centres.add(rest[0].grid_point)
            for grid_point in self._rank_candidates(rest[0]):
                if not self.is_done:
                    self._evaluate(grid_point)

    def _rank_candidates(self, centre: Evaluation) -> list[GridPoint]:
        """Return the points around a centre that should be nearest to the target, by linear prediction."""
        changes = {index: self._measure_change(centre, index) for index in range(len(centre.grid_point))}
        gap, close_enough = self.target - centre.value, 0.7 * self.budget.tolerance * self.target
        candidates = []
        for moves in _iter_moves([index for index, change in changes.items() if change is not None]):
            grid_point: GridPoint | None = centre.grid_point
            for index, count in moves:
                grid_point = self.grids[0].shift(grid_point, index, count) if grid_point else None
            if grid_point and grid_point not in self.evaluations and self._keeps_proportions(grid_point):
                error = abs(gap - sum((changes[index] or 0) * count for index, count in moves))
                distortion = sum(abs(count) / centre.grid_point[index] for index, count in moves)
                candidates.append((max(error - close_enough, 0), distortion, grid_point))
        return [grid_point for _, _, grid_point in sorted(candidates)[:MAX_CANDIDATES]]

    def _measure_change(self, centre: Evaluation, index: int) -> int | None:
        """Return how one step of a number changes the metric; None if neither direction is a valid network."""
        for step in (1, -1):
            grid_point = self.grids[0].shift(centre.grid_point, index, step)
            if grid_point is not None and not self.is_done and (evaluation := self._evaluate(grid_point)):
                return step * (evaluation.value - centre.value)
        return None


def _iter_moves(numbers: list[int]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield every way to move up to three of the numbers by up to two steps."""
    for size in range(1, min(len(numbers), 3) + 1):
        for indices in combinations(numbers, size):
            for counts in product((-2, -1, 1, 2), repeat=size):
                yield tuple(zip(indices, counts, strict=True))
