"""Matching: rescaling one variant until a measure of it is what the budget says, or nothing comes near enough.

A measure grows with the scale roughly as a power of it, so the scale is found by secants between logarithms. Where the
rungs around the target are both too far from it, single numbers are moved by a step or two: what one step of each
changes says which moves together come near, and the likeliest are drawn, those first that change proportions least.
Rungs that are no networks are passed by: in coarser steps, or not so far away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from math import copysign, exp, log
from typing import Any, NamedTuple

from unetgen.ablation.sweeps.matching.budget import Budget
from unetgen.ablation.sweeps.matching.scale_grid import GridPoint, ScaleGrid
from unetgen.analysis.report import NetworkReport
from unetgen.errors import Problem, SpecError

# Draws the variant with values laid over it. Raises SpecError where that is no network.
ReportBuilder = Callable[[Mapping[str, Any]], NetworkReport]

# Enough for a bracket from any start; what ends without one has no such network.
MAX_EVALUATIONS = 40
MAX_REJECTED = 80
MAX_CANDIDATES = 5

# Where a measure grows slower than this power of the scale, it seems not to depend on it. A peak of memory may stay as
# it is for a step or two; what stays over a factor of four does not depend on the scale at all.
MIN_GROWTH_EXPONENT = 0.001
MAX_FLAT_LOG_SCALE = log(4)

# Farther away than this share of the target, a step or two of single numbers do not help.
LOCAL_SEARCH_RANGE = 0.25


class Evaluation(NamedTuple):
    """A rung that was drawn, and its measure."""

    grid_point: GridPoint
    value: int
    report: NetworkReport


class BracketEnd(NamedTuple):
    """One side of the target: the logarithm of a scale, and what was drawn there."""

    log_scale: float
    evaluation: Evaluation

    @property
    def log_value(self) -> float:
        """The logarithm of what it measures."""
        return log(max(self.evaluation.value, 1))


@dataclass(frozen=True)
class Match:
    """How close a variant comes to its budget."""

    budget: Budget
    target: int
    grid: ScaleGrid
    best: Evaluation
    below: Evaluation | None
    """The closest on the ladder that is not above the target."""
    above: Evaluation | None
    nearest_rejected: tuple[GridPoint, Problem] | None
    """Of the rungs that were tried and are no networks the closest to the start, and why."""
    num_evaluations: int
    """How many networks were drawn for it."""

    @property
    def deviation(self) -> float:
        """By which share of the target it misses it."""
        return self.best.value / self.target - 1

    @property
    def is_within_tolerance(self) -> bool:
        """Whether that is tolerated."""
        return abs(self.best.value - self.target) <= self.budget.tolerance * self.target

    @property
    def settings(self) -> dict[str, Any]:
        """What the variant was rescaled to, values by path; nothing where it fitted as it was."""
        return {} if self.best.grid_point == self.grid.start else self.grid.to_settings(self.best.grid_point)


def match_to_budget(
    build_report: ReportBuilder, initial_report: NetworkReport, grid: ScaleGrid, budget: Budget, target: int
) -> Match:
    """The rung of the ladder that is closest to the target; ``start`` is the variant as it is, on the ladder or not."""
    search = _Search(build_report, budget, target, grid)
    search.record_evaluation(grid.start, initial_report)
    search.run()
    return search.build_match()


class _Search:
    def __init__(self, build_report: ReportBuilder, budget: Budget, target: int, grid: ScaleGrid) -> None:
        self.build_report, self.budget, self.target, self.grid = build_report, budget, target, grid
        self.evaluations: dict[GridPoint, Evaluation] = {}
        self.rejected: dict[GridPoint, Problem] = {}
        # The ladder, and coarser ones once something was refused; the first is the one that was last of use.
        self.grids = [grid]

    def run(self) -> None:
        """Looks for a rung within the tolerance, along the scale and then around what came closest."""
        if not self.is_done:
            bracketed = self._bracket()
            near = [
                point
                for point in self._sort_by_distance()
                if self._compute_distance(point) <= LOCAL_SEARCH_RANGE * self.target
            ]
            # A single number has no others beside it.
            if len(self.grid.start) > 1 and (bracketed or near):
                self._search_locally()

    def build_match(self) -> Match:
        points, start = self._sort_by_distance(), self.evaluations[self.grid.start]
        below = next((point for point in points if point.value <= self.target), None)
        above = next((point for point in points if point.value > self.target), None)
        # What fits as it is may stand off the ladder; nothing else may.
        reached = points[0] if points and not self._is_within_tolerance(start) else start
        refused = min(self.rejected.items(), key=self._compute_distance_from_start, default=None)
        return Match(self.budget, self.target, self.grid, reached, below, above, refused, len(self.evaluations))

    def record_evaluation(self, grid_point: GridPoint, report: NetworkReport) -> Evaluation:
        """Remembers what came of a rung."""
        self.evaluations[grid_point] = Evaluation(grid_point, self.budget.metric.compute(report), report)
        return self.evaluations[grid_point]

    @property
    def is_done(self) -> bool:
        """Whether a rung within the tolerance was found, or too many were tried."""
        tried = len(self.evaluations) >= MAX_EVALUATIONS or len(self.rejected) >= MAX_REJECTED
        return tried or any(map(self._is_within_tolerance, self.evaluations.values()))

    def _is_within_tolerance(self, evaluation: Evaluation) -> bool:
        return self._compute_distance(evaluation) <= self.budget.tolerance * self.target

    def _compute_distance(self, evaluation: Evaluation) -> int:
        return abs(evaluation.value - self.target)

    def _sort_by_distance(self) -> list[Evaluation]:
        """What was drawn of the ladder, the closest to the target first."""
        return sorted(
            (point for point in self.evaluations.values() if self.grid.contains(point.grid_point)),
            key=self._compute_distance,
        )

    def _compute_distance_from_start(self, rejection: tuple[GridPoint, Problem]) -> float:
        return sum(abs(log(n / first)) for n, first in zip(rejection[0], self.grid.start, strict=True))

    def _evaluate(self, grid_point: GridPoint) -> Evaluation | None:
        """What comes of a rung; None where it is no network: groups that do not divide its channels, say."""
        if grid_point not in self.evaluations and grid_point not in self.rejected:
            try:
                self.record_evaluation(grid_point, self.build_report(self.grid.to_settings(grid_point)))
            except SpecError as error:
                self.rejected[grid_point] = error.problems[0]
        return self.evaluations.get(grid_point)

    def _bracket(self) -> bool:
        """Draws the neighbouring scales around the target; whether there is one on either side."""
        low: BracketEnd | None = None
        high: BracketEnd | None = None
        here = self._evaluate_next(lambda _: 0.0)
        while here is not None:
            before = low or high
            low, high = (here, high) if here.evaluation.value <= self.target else (low, here)
            here = (
                self._evaluate_next(partial(self._find_scale_between, low, high))
                if low and high
                else self._step_outward(here, before)
            )
        return low is not None and high is not None

    def _evaluate_next(self, choose_scale: Callable[[ScaleGrid], float | None]) -> BracketEnd | None:
        """The network at the scale that is next on a ladder, on the first ladder where that is one."""
        for ladder in self._iter_grids():
            scale = None if self.is_done else choose_scale(ladder)
            if scale is not None and (point := self._evaluate(ladder.find_nearest_point(exp(scale)))):
                self.grids.remove(ladder)
                self.grids.insert(0, ladder)
                return BracketEnd(scale, point)
        return None

    def _iter_grids(self) -> Iterator[ScaleGrid]:
        """The ladders in turn; coarser ones only once something was refused."""
        yield from tuple(self.grids)
        if self.rejected and len(self.grids) == 1:
            self.grids += self.grid.build_coarser_grids()
            yield from self.grids[1:]

    def _step_outward(self, current: BracketEnd, previous: BracketEnd | None) -> BracketEnd | None:
        """The next network in the target's direction, not so far away where there is none."""
        stride = self._estimate_stride(current, previous)
        while stride is not None:
            if found := self._evaluate_next(partial(self._find_scale_beyond, current, stride)):
                return found
            stride /= 2
            if self.grid.find_nearest_point(exp(current.log_scale + stride)) == self.grid.find_nearest_point(
                exp(current.log_scale)
            ):
                return None
        return None

    def _estimate_stride(self, current: BracketEnd, previous: BracketEnd | None) -> float | None:
        """How far the target seems to be, a little too far rather than not far enough; None if nothing leads to it."""
        gap = log(self.target) - current.log_value
        if previous is None:
            return 1.05 * gap / 2 or None
        way, change = current.log_scale - previous.log_scale, current.log_value - previous.log_value
        if change / way >= MIN_GROWTH_EXPONENT:
            return 1.05 * gap * way / change or None
        return copysign(max(2 * abs(way), log(2)), gap) if abs(way) < MAX_FLAT_LOG_SCALE else None

    @staticmethod
    def _find_scale_beyond(current: BracketEnd, stride: float, grid: ScaleGrid) -> float | None:
        """A scale so far from here, or farther where no number is farther yet; None at the end of the ladder."""
        lowest, highest = grid.log_scale_bounds
        scale, end, sign = current.log_scale, highest if stride > 0 else lowest, copysign(1, stride)
        while scale != end:
            scale = min(max(current.log_scale + stride, lowest), highest)
            # On a coarser ladder some can lie on the other side of where a finer one has led.
            ahead = [
                sign * (to - n)
                for to, n in zip(grid.find_nearest_point(exp(scale)), current.evaluation.grid_point, strict=True)
            ]
            if min(ahead) >= 0 and any(ahead):
                return scale
            stride *= 2
        return None

    def _find_scale_between(self, low: BracketEnd, high: BracketEnd, grid: ScaleGrid) -> float | None:
        """A scale between two, by a secant; None where no rung lies between theirs."""
        share = (log(self.target) - low.log_value) / (high.log_value - low.log_value)
        first, last = low.log_scale, high.log_scale
        scale = first + share * (last - first)
        while last - first > 1e-9:
            rung = grid.find_nearest_point(exp(scale))
            if rung not in (low.evaluation.grid_point, high.evaluation.grid_point):
                return scale
            first, last = (scale, last) if rung == low.evaluation.grid_point else (first, scale)
            scale = (first + last) / 2
        return None

    def _search_locally(self) -> None:
        """Moves single numbers of the closest rungs by up to two steps, of one rung after the other."""
        centres: set[GridPoint] = set()
        while not self.is_done and (near := [p for p in self._sort_by_distance() if p.grid_point not in centres]):
            centres.add(near[0].grid_point)
            for rung in self._rank_candidates(near[0]):
                if not self.is_done:
                    self._evaluate(rung)

    def _rank_candidates(self, centre: Evaluation) -> list[GridPoint]:
        """The rungs around one that seem to come near the target, by what one step of each number changes."""
        changes = {index: self._compute_change(centre, index) for index in range(len(centre.grid_point))}
        gap, near = self.target - centre.value, 0.7 * self.budget.tolerance * self.target
        options = []
        for moves in _iter_moves([index for index, change in changes.items() if change is not None]):
            rung: GridPoint | None = centre.grid_point
            for index, count in moves:
                rung = self.grids[0].shift(rung, index, count) if rung else None
            if rung and rung not in self.evaluations:
                miss = abs(gap - sum((changes[index] or 0) * count for index, count in moves))
                change = sum(abs(count) / centre.grid_point[index] for index, count in moves)
                options.append((max(miss - near, 0), change, rung))
        return [rung for _, _, rung in sorted(options)[:MAX_CANDIDATES]]

    def _compute_change(self, centre: Evaluation, index: int) -> int | None:
        """What one step of a number changes, up if that is possible; None where neither is a network."""
        for step in (1, -1):
            moved = self.grids[0].shift(centre.grid_point, index, step)
            if moved is not None and not self.is_done and (point := self._evaluate(moved)):
                return step * (point.value - centre.value)
        return None


def _iter_moves(numbers: list[int]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every way to move up to three of some numbers by up to two steps."""
    for several in range(1, min(len(numbers), 3) + 1):
        for indices in combinations(numbers, several):
            for counts in product((-2, -1, 1, 2), repeat=several):
                yield tuple(zip(indices, counts, strict=True))
