"""Matching: rescaling one variant until a measure of it is what the budget says, or nothing comes near enough.

A measure grows with the scale roughly as a power of it, so the scale is found by secants between logarithms. Where the
rungs around the target are both too far from it, single numbers are moved by a step or two: what one step of each
changes says which moves together come near, and the likeliest are drawn, those first that change proportions least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from math import exp, log
from typing import Any, NamedTuple

from unetgen.ablation.matching.budget import Budget
from unetgen.ablation.matching.ladder import MOST, Ladder, Rung
from unetgen.errors import SpecError
from unetgen.outputs.report import Report

# Draws the variant with values laid over it. Raises SpecError where that is no network.
Drawing = Callable[[Mapping[str, Any]], Report]

# Enough for a bracket from any start; what ends without one has no such network.
MOST_DRAWN = 40
LIKELIEST = 5

# Where a measure grows slower than this power of the scale, it does not depend on the scale at all.
FLAT = 0.001


class Point(NamedTuple):
    """A rung that was drawn, and its measure."""

    rung: Rung
    value: int
    report: Report


class Bound(NamedTuple):
    """One side of the target: the logarithms of a scale and of what it measures."""

    scale: float
    value: float
    rung: Rung


@dataclass(frozen=True)
class Match:
    """How close a variant comes to its budget."""

    budget: Budget
    target: int
    ladder: Ladder
    reached: Point
    below: Point | None
    """The closest that is not above the target."""
    above: Point | None
    drawn: int
    """How many networks were drawn for it."""

    @property
    def deviation(self) -> float:
        """By which share of the target it misses it."""
        return self.reached.value / self.target - 1

    @property
    def within(self) -> bool:
        """Whether that is tolerated."""
        return abs(self.deviation) <= self.budget.tolerance

    @property
    def settings(self) -> dict[str, Any]:
        """What the variant was rescaled to, values by path; nothing where it fitted as it was."""
        return {} if self.reached.rung == self.ladder.start else self.ladder.settings(self.reached.rung)


def matched(draw: Drawing, start: Report, ladder: Ladder, budget: Budget, target: int) -> Match:
    """The rung of the ladder that is closest to the target; ``start`` is the variant as it is."""
    search = _Search(draw, budget, target, ladder)
    search.note(ladder.start, start)
    search.run()
    return search.match()


class _NotDrawn(Exception):
    """A rung that is no network: groups that do not divide its channels, say."""


class _Search:
    def __init__(self, draw: Drawing, budget: Budget, target: int, ladder: Ladder) -> None:
        self.draw, self.budget, self.target, self.ladder = draw, budget, target, ladder
        self.points: dict[Rung, Point] = {}

    def run(self) -> None:
        """Looks for a rung within the tolerance, in coarser steps where the finer ones are no networks."""
        while not self.done:
            try:
                if self._bracket():
                    self._nudge()
            except _NotDrawn:
                if self.ladder.multiple < max(self.ladder.start):
                    self.ladder = self.ladder.coarser()
                    continue
            break

    def match(self) -> Match:
        below = [point for point in self.points.values() if point.value <= self.target]
        above = [point for point in self.points.values() if point.value > self.target]
        ends = max(below, key=_value, default=None), min(above, key=_value, default=None)
        return Match(self.budget, self.target, self.ladder, self._closest, *ends, len(self.points))

    def note(self, rung: Rung, report: Report) -> Point:
        """Remembers what came of a rung."""
        self.points[rung] = Point(rung, self.budget.measure.of(report), report)
        return self.points[rung]

    @property
    def done(self) -> bool:
        """Whether a rung within the tolerance was found, or too many were tried."""
        near = abs(self._closest.value - self.target) <= self.budget.tolerance * self.target
        return near or len(self.points) >= MOST_DRAWN

    @property
    def _closest(self) -> Point:
        return self._by_distance()[0]

    def _by_distance(self) -> list[Point]:
        """What was drawn, the closest to the target first."""
        return sorted(self.points.values(), key=lambda point: abs(point.value - self.target))

    def _visited(self, rung: Rung) -> Point:
        if rung in self.points:
            return self.points[rung]
        try:
            return self.note(rung, self.draw(self.ladder.settings(rung)))
        except SpecError:
            raise _NotDrawn from None

    def _bracket(self) -> bool:
        """Draws the neighbouring scales around the target; whether there is one on either side."""
        low: Bound | None = None
        high: Bound | None = None
        scale: float | None = 0.0
        point = self.points[self.ladder.start]
        while scale is not None and not self.done:
            here = Bound(scale, log(max(point.value, 1)), point.rung)
            before = low or high
            low, high = (here, high) if point.value <= self.target else (low, here)
            scale = self._between(low, high) if low and high else self._beyond(here, before)
            if scale is not None:
                point = self._visited(self.ladder.at(exp(scale)))
        return low is not None and high is not None

    def _beyond(self, here: Bound, before: Bound | None) -> float | None:
        """A scale further towards the target, a little too far rather than not far enough."""
        power = 2.0
        if before is not None:
            power = (here.value - before.value) / (here.scale - before.scale)
        if power < FLAT:
            return None
        step = 1.05 * (log(self.target) - here.value) / power
        while abs(here.scale + step) < log(MOST):
            if self.ladder.at(exp(here.scale + step)) != here.rung:
                return here.scale + step
            step *= 2
        return None

    def _between(self, low: Bound, high: Bound) -> float | None:
        """A scale between two, by a secant; None where no rung lies between theirs."""
        share = (log(self.target) - low.value) / (high.value - low.value)
        first, last = low.scale, high.scale
        scale = first + share * (last - first)
        while last - first > 1e-9:
            rung = self.ladder.at(exp(scale))
            if rung not in (low.rung, high.rung):
                return scale
            first, last = (scale, last) if rung == low.rung else (first, scale)
            scale = (first + last) / 2
        return None

    def _nudge(self) -> None:
        """Moves single numbers of the closest rungs by up to two steps, of one rung after the other."""
        centres: set[Rung] = set()
        while not self.done and (near := [p for p in self._by_distance() if p.rung not in centres]):
            centres.add(near[0].rung)
            for rung in self._likeliest(near[0]):
                if not self.done:
                    self._visited(rung)

    def _likeliest(self, centre: Point) -> list[Rung]:
        """The rungs around one that seem to come near the target, by what one step of each number changes."""
        steps = {index: self._step(centre, index) for index in range(len(centre.rung))}
        gap, near = self.target - centre.value, 0.7 * self.budget.tolerance * self.target
        options = []
        for moves in _moves(len(centre.rung)):
            rung: Rung | None = centre.rung
            for index, count in moves:
                rung = self.ladder.moved(rung, index, count) if rung else None
            if rung and rung not in self.points:
                miss = abs(gap - sum(steps[index] * count for index, count in moves))
                change = sum(abs(count) / centre.rung[index] for index, count in moves)
                options.append((max(miss - near, 0), change, rung))
        return [rung for _, _, rung in sorted(options)[:LIKELIEST]]

    def _step(self, centre: Point, index: int) -> int:
        """What one step of a number changes, up if that is possible."""
        for step in (1, -1):
            moved = self.ladder.moved(centre.rung, index, step)
            if moved is not None and not self.done:
                return step * (self._visited(moved).value - centre.value)
        return 0


def _value(point: Point) -> int:
    return point.value


def _moves(numbers: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every way to move up to three of some numbers by up to two steps."""
    for several in range(1, min(numbers, 3) + 1):
        for indices in combinations(range(numbers), several):
            for counts in product((-2, -1, 1, 2), repeat=several):
                yield tuple(zip(indices, counts, strict=True))
