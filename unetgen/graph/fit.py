"""Which input sizes fit along one axis, exactly: unions of residue classes n = r (mod p), n >= m.

The sizes are written n = r + p * t with an unknown t, and run through the same ops as plain numbers. Each map's
size is then a line in t. Where a division's outcome depends on t, the class is split; what an op demands of its
input becomes a bound on t, or rules the class out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import NamedTuple

from unetgen.graph.algebra import Rule
from unetgen.graph.node import Node

# Nine halvings that all round make 512 classes. A net that needs more work than this is refused an answer
# for the classes that are left; the sizes themselves are still reckoned exactly.
MAX_PERIOD = 4096
MAX_STEPS = 150_000


class Line(NamedTuple):
    """base + step * t."""

    base: int
    step: int


class Class(NamedTuple):
    """The sizes first, first + period, ... up to last (or without end), and the outputs they give."""

    first: int
    period: int
    last: int | None
    output: int
    output_step: int

    def __contains__(self, size: object) -> bool:
        if not isinstance(size, int) or size < self.first or (size - self.first) % self.period:
            return False
        return self.last is None or size <= self.last


@dataclass(frozen=True, slots=True)
class AxisFit:
    """All sizes that fit along one axis."""

    classes: tuple[Class, ...]
    complete: bool = True
    """Whether these are all; False where there are too many classes to list. Then only single sizes can be tried."""

    @classmethod
    def only(cls, size: int, output: int) -> AxisFit:
        """The fit of a network that takes one size."""
        return cls((Class(size, 1, size, output, 0),))

    def __contains__(self, size: int) -> bool:
        return any(size in found for found in self.classes)

    def output(self, size: int) -> int:
        """The output size of a size that fits."""
        found = next(c for c in self.classes if size in c)
        return found.output + (size - found.first) // found.period * found.output_step

    @property
    def smallest(self) -> int | None:
        """The smallest size that fits; None where none does."""
        return min((c.first for c in self.classes), default=None)

    @property
    def period(self) -> int:
        """How far apart sizes are that are treated alike."""
        return lcm(*(c.period for c in self.classes))

    def below(self, size: int) -> int | None:
        """The largest size under ``size`` that fits."""
        return max((n for c in self.classes if (n := _below(c, size)) is not None), default=None)

    def above(self, size: int) -> int | None:
        """The smallest size over ``size`` that fits."""
        return min((n for c in self.classes if (n := _above(c, size)) is not None), default=None)

    def __str__(self) -> str:
        if not self.complete:
            return "sizes in more classes than can be listed; each is checked when it is used"
        endless = [c for c in self.classes if c.last is None]
        single = sorted({n for c in self.classes if c.last is not None for n in range(c.first, c.last + 1, c.period)})
        sentences = [_endless(endless)] if endless else []
        if single:
            sentences.append(f"n = {', '.join(map(str, single[:8]))}{', ...' if len(single) > 8 else ''}")
        return " or ".join(sentences) or "no size"


def solve(nodes: Sequence[Node], output: int, axis: int) -> AxisFit:
    """All sizes that run through the nodes along one axis."""
    open_classes, found, steps, complete = [(0, 1)], [], 0, True
    while open_classes and steps < MAX_STEPS:
        steps += len(nodes)
        residue, period = open_classes.pop()
        lines = _Lines(residue, period)
        try:
            sizes = [lines.start]
            for node in nodes[1:]:
                sizes.append(node.op.along(axis, [sizes[i] for i in node.inputs], lines))
        except _Split as split:
            if period * split.ways > MAX_PERIOD:
                complete = False
            else:
                open_classes += [(residue + i * period, period * split.ways) for i in range(split.ways)]
        except _Never:
            continue
        else:
            found.append(lines.result(sizes[output]))
    return AxisFit(tuple(sorted(found)), complete and not open_classes)


class _Split(Exception):
    """The class must be split into so many before the op's outcome is one line."""

    def __init__(self, ways: int) -> None:
        self.ways = ways


class _Never(Exception):
    """No size of the class fits."""


class _Lines:
    """Sizes of one residue class as lines in t, with the bounds on t that the ops so far have set."""

    def __init__(self, residue: int, period: int) -> None:
        self.start = Line(residue, period)
        self.low = 0 if residue else 1
        self.high: int | None = None

    def result(self, output: Line) -> Class:
        first = self.start.base + self.start.step * self.low
        last = None if self.high is None else self.start.base + self.start.step * self.high
        return Class(first, self.start.step, last, output.base + output.step * self.low, output.step)

    def apply(self, size: Line, rule: Rule, kind: str) -> Line:
        self._not_negative(Line(size.base - rule.minimum, size.step))
        if rule.residue is not None:
            self._split_unless(size.step, rule.divisor)
            if (size.base - rule.residue) % rule.divisor:
                raise _Never
        self._split_unless(rule.factor * size.step, rule.divisor)
        total = rule.factor * size.base + rule.offset
        base = -(-total // rule.divisor) if rule.up else total // rule.divisor
        return Line(base + rule.plus, rule.factor * size.step // rule.divisor)

    def same(self, sizes: Sequence[Line], kind: str) -> Line:
        first = sizes[0]
        for other in sizes[1:]:
            self._equal(first, other)
        return first

    def at_least(self, size: Line, other: Line, kind: str) -> None:
        self._not_negative(Line(size.base - other.base, size.step - other.step))

    def _equal(self, first: Line, other: Line) -> None:
        steps, bases = first.step - other.step, other.base - first.base
        if steps == 0:
            if bases:
                raise _Never
            return
        if bases % steps or bases // steps < self.low:
            raise _Never
        self._at_most(bases // steps)
        self._from(bases // steps)

    def _not_negative(self, line: Line) -> None:
        if line.step > 0:
            self._from(-(line.base // line.step))
        elif line.step < 0:
            self._at_most(line.base // -line.step)
        elif line.base < 0:
            raise _Never

    def _from(self, low: int) -> None:
        self.low = max(self.low, low)
        self._check()

    def _at_most(self, high: int) -> None:
        self.high = high if self.high is None else min(self.high, high)
        self._check()

    def _check(self) -> None:
        if self.high is not None and self.high < self.low:
            raise _Never

    def _split_unless(self, step: int, divisor: int) -> None:
        if step % divisor:
            raise _Split(divisor // gcd(step, divisor))


def _below(found: Class, size: int) -> int | None:
    if size <= found.first:
        return None
    top = size - 1 if found.last is None else min(size - 1, found.last)
    return top - (top - found.first) % found.period


def _above(found: Class, size: int) -> int | None:
    if size < found.first:
        return found.first
    above = size + 1 + (found.first - size - 1) % found.period
    return above if found.last is None or above <= found.last else None


def _endless(classes: Sequence[Class]) -> str:
    """n = r (mod p), n >= m, with the smallest p, and what fits below m."""
    period = lcm(*(c.period for c in classes))
    first = {(c.first + i) % period: c.first + i for c in classes for i in range(0, period, c.period)}
    for divisor in (d for d in range(1, period + 1) if period % d == 0):
        residues = {residue % divisor for residue in first}
        if len(residues) * (period // divisor) == len(first):
            break
    # The largest size of a residue that does not fit lies one period before its first that does.
    threshold = max(first.values()) - period + 1
    while threshold % divisor not in residues:
        threshold += 1
    early = sorted(n for n in first.values() if n < threshold)
    rule = "any n" if divisor == 1 else f"n = {', '.join(map(str, sorted(residues)))} (mod {divisor}), n"
    text = f"{rule} >= {threshold}"
    return f"{text} or n = {', '.join(map(str, early))}" if early else text
