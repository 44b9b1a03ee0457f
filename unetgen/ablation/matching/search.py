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

from unetgen.ablation.matching.budget import Budget
from unetgen.ablation.matching.ladder import Ladder, Rung
from unetgen.errors import Problem, SpecError
from unetgen.outputs.report import Report

# Draws the variant with values laid over it. Raises SpecError where that is no network.
Drawing = Callable[[Mapping[str, Any]], Report]

# Enough for a bracket from any start; what ends without one has no such network.
MOST_DRAWN = 40
MOST_REFUSED = 80
LIKELIEST = 5

# Where a measure grows slower than this power of the scale, it seems not to depend on it. A peak of memory may stay as
# it is for a step or two; what stays over a factor of four does not depend on the scale at all.
FLAT = 0.001
DEPENDS_WITHIN = log(4)

# Farther away than this share of the target, a step or two of single numbers do not help.
NEAR = 0.25


class Point(NamedTuple):
    """A rung that was drawn, and its measure."""

    rung: Rung
    value: int
    report: Report


class Bound(NamedTuple):
    """One side of the target: the logarithm of a scale, and what was drawn there."""

    scale: float
    point: Point

    @property
    def log(self) -> float:
        """The logarithm of what it measures."""
        return log(max(self.point.value, 1))


@dataclass(frozen=True)
class Match:
    """How close a variant comes to its budget."""

    budget: Budget
    target: int
    ladder: Ladder
    reached: Point
    below: Point | None
    """The closest on the ladder that is not above the target."""
    above: Point | None
    refused: tuple[Rung, Problem] | None
    """Of the rungs that were tried and are no networks the closest to the start, and why."""
    drawn: int
    """How many networks were drawn for it."""

    @property
    def deviation(self) -> float:
        """By which share of the target it misses it."""
        return self.reached.value / self.target - 1

    @property
    def within(self) -> bool:
        """Whether that is tolerated."""
        return abs(self.reached.value - self.target) <= self.budget.tolerance * self.target

    @property
    def settings(self) -> dict[str, Any]:
        """What the variant was rescaled to, values by path; nothing where it fitted as it was."""
        return {} if self.reached.rung == self.ladder.start else self.ladder.settings(self.reached.rung)


def matched(draw: Drawing, start: Report, ladder: Ladder, budget: Budget, target: int) -> Match:
    """The rung of the ladder that is closest to the target; ``start`` is the variant as it is, on the ladder or not."""
    search = _Search(draw, budget, target, ladder)
    search.note(ladder.start, start)
    search.run()
    return search.match()


class _Search:
    def __init__(self, draw: Drawing, budget: Budget, target: int, ladder: Ladder) -> None:
        self.draw, self.budget, self.target, self.ladder = draw, budget, target, ladder
        self.points: dict[Rung, Point] = {}
        self.refused: dict[Rung, Problem] = {}
        # The ladder, and coarser ones once something was refused; the first is the one that was last of use.
        self.ladders = [ladder]

    def run(self) -> None:
        """Looks for a rung within the tolerance, along the scale and then around what came closest."""
        if not self.done:
            bracketed = self._bracket()
            near = [point for point in self._by_distance() if self._miss(point) <= NEAR * self.target]
            # A single number has no others beside it.
            if len(self.ladder.start) > 1 and (bracketed or near):
                self._nudge()

    def match(self) -> Match:
        points, start = self._by_distance(), self.points[self.ladder.start]
        below = next((point for point in points if point.value <= self.target), None)
        above = next((point for point in points if point.value > self.target), None)
        # What fits as it is may stand off the ladder; nothing else may.
        reached = points[0] if points and not self._fits(start) else start
        refused = min(self.refused.items(), key=self._from_start, default=None)
        return Match(self.budget, self.target, self.ladder, reached, below, above, refused, len(self.points))

    def note(self, rung: Rung, report: Report) -> Point:
        """Remembers what came of a rung."""
        self.points[rung] = Point(rung, self.budget.measure.of(report), report)
        return self.points[rung]

    @property
    def done(self) -> bool:
        """Whether a rung within the tolerance was found, or too many were tried."""
        tried = len(self.points) >= MOST_DRAWN or len(self.refused) >= MOST_REFUSED
        return tried or any(map(self._fits, self.points.values()))

    def _fits(self, point: Point) -> bool:
        return self._miss(point) <= self.budget.tolerance * self.target

    def _miss(self, point: Point) -> int:
        return abs(point.value - self.target)

    def _by_distance(self) -> list[Point]:
        """What was drawn of the ladder, the closest to the target first."""
        return sorted((point for point in self.points.values() if self.ladder.holds(point.rung)), key=self._miss)

    def _from_start(self, refused: tuple[Rung, Problem]) -> float:
        return sum(abs(log(n / first)) for n, first in zip(refused[0], self.ladder.start, strict=True))

    def _visited(self, rung: Rung) -> Point | None:
        """What comes of a rung; None where it is no network: groups that do not divide its channels, say."""
        if rung not in self.points and rung not in self.refused:
            try:
                self.note(rung, self.draw(self.ladder.settings(rung)))
            except SpecError as error:
                self.refused[rung] = error.problems[0]
        return self.points.get(rung)

    def _bracket(self) -> bool:
        """Draws the neighbouring scales around the target; whether there is one on either side."""
        low: Bound | None = None
        high: Bound | None = None
        here = self._next(lambda _: 0.0)
        while here is not None:
            before = low or high
            low, high = (here, high) if here.point.value <= self.target else (low, here)
            here = self._next(partial(self._between, low, high)) if low and high else self._farther(here, before)
        return low is not None and high is not None

    def _next(self, scale_on: Callable[[Ladder], float | None]) -> Bound | None:
        """The network at the scale that is next on a ladder, on the first ladder where that is one."""
        for ladder in self._tried():
            scale = None if self.done else scale_on(ladder)
            if scale is not None and (point := self._visited(ladder.at(exp(scale)))):
                self.ladders.remove(ladder)
                self.ladders.insert(0, ladder)
                return Bound(scale, point)
        return None

    def _tried(self) -> Iterator[Ladder]:
        """The ladders in turn; coarser ones only once something was refused."""
        yield from tuple(self.ladders)
        if self.refused and len(self.ladders) == 1:
            self.ladders += self.ladder.coarser()
            yield from self.ladders[1:]

    def _farther(self, here: Bound, before: Bound | None) -> Bound | None:
        """The next network in the target's direction, not so far away where there is none."""
        stride = self._stride(here, before)
        while stride is not None:
            if found := self._next(partial(self._beyond, here, stride)):
                return found
            stride /= 2
            if self.ladder.at(exp(here.scale + stride)) == self.ladder.at(exp(here.scale)):
                return None
        return None

    def _stride(self, here: Bound, before: Bound | None) -> float | None:
        """How far the target seems to be, a little too far rather than not far enough; None if nothing leads to it."""
        gap = log(self.target) - here.log
        if before is None:
            return 1.05 * gap / 2 or None
        way, change = here.scale - before.scale, here.log - before.log
        if change / way >= FLAT:
            return 1.05 * gap * way / change or None
        return copysign(max(2 * abs(way), log(2)), gap) if abs(way) < DEPENDS_WITHIN else None

    @staticmethod
    def _beyond(here: Bound, stride: float, ladder: Ladder) -> float | None:
        """A scale so far from here, or farther where no number is farther yet; None at the end of the ladder."""
        lowest, highest = ladder.ends
        scale, end, sign = here.scale, highest if stride > 0 else lowest, copysign(1, stride)
        while scale != end:
            scale = min(max(here.scale + stride, lowest), highest)
            # On a coarser ladder some can lie on the other side of where a finer one has led.
            ahead = [sign * (to - n) for to, n in zip(ladder.at(exp(scale)), here.point.rung, strict=True)]
            if min(ahead) >= 0 and any(ahead):
                return scale
            stride *= 2
        return None

    def _between(self, low: Bound, high: Bound, ladder: Ladder) -> float | None:
        """A scale between two, by a secant; None where no rung lies between theirs."""
        share = (log(self.target) - low.log) / (high.log - low.log)
        first, last = low.scale, high.scale
        scale = first + share * (last - first)
        while last - first > 1e-9:
            rung = ladder.at(exp(scale))
            if rung not in (low.point.rung, high.point.rung):
                return scale
            first, last = (scale, last) if rung == low.point.rung else (first, scale)
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
        changes = {index: self._change(centre, index) for index in range(len(centre.rung))}
        gap, near = self.target - centre.value, 0.7 * self.budget.tolerance * self.target
        options = []
        for moves in _moves([index for index, change in changes.items() if change is not None]):
            rung: Rung | None = centre.rung
            for index, count in moves:
                rung = self.ladders[0].moved(rung, index, count) if rung else None
            if rung and rung not in self.points:
                miss = abs(gap - sum((changes[index] or 0) * count for index, count in moves))
                change = sum(abs(count) / centre.rung[index] for index, count in moves)
                options.append((max(miss - near, 0), change, rung))
        return [rung for _, _, rung in sorted(options)[:LIKELIEST]]

    def _change(self, centre: Point, index: int) -> int | None:
        """What one step of a number changes, up if that is possible; None where neither is a network."""
        for step in (1, -1):
            moved = self.ladders[0].moved(centre.rung, index, step)
            if moved is not None and not self.done and (point := self._visited(moved)):
                return step * (point.value - centre.value)
        return None


def _moves(numbers: list[int]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every way to move up to three of some numbers by up to two steps."""
    for several in range(1, min(len(numbers), 3) + 1):
        for indices in combinations(numbers, several):
            for counts in product((-2, -1, 1, 2), repeat=several):
                yield tuple(zip(indices, counts, strict=True))
