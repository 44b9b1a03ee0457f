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

from unetgen.graph.node import Node
from unetgen.graph.size_rule import Rule

# Nine halvings that all round make 512 classes. A net that needs more work than this is refused an answer
# for the classes that are left; the sizes themselves are still reckoned exactly.
MAX_PERIOD = 4096
MAX_STEPS = 150_000


class LinearForm(NamedTuple):
    """base + step * t."""

    base: int
    step: int


class ResidueClass(NamedTuple):
    """The sizes first, first + period, ... up to last (or without end), and the outputs they give."""

    first: int
    period: int
    last: int | None
    first_output: int
    output_step: int

    def __contains__(self, size: object) -> bool:
        if not isinstance(size, int) or size < self.first or (size - self.first) % self.period:
            return False
        return self.last is None or size <= self.last


@dataclass(frozen=True, slots=True)
class FittingSizes:
    """All sizes that fit along one axis."""

    classes: tuple[ResidueClass, ...]
    is_complete: bool = True
    """Whether these are all; False where there are too many classes to list. Then only single sizes can be tried."""

    @classmethod
    def only(cls, size: int, output: int) -> FittingSizes:
        """The fit of a network that takes one size."""
        return cls((ResidueClass(size, 1, size, output, 0),))

    def __contains__(self, size: int) -> bool:
        return any(size in found for found in self.classes)

    def output_size(self, size: int) -> int:
        """The output size of a size that fits."""
        found = next(c for c in self.classes if size in c)
        return found.first_output + (size - found.first) // found.period * found.output_step

    @property
    def smallest(self) -> int | None:
        """The smallest size that fits; None where none does."""
        return min((c.first for c in self.classes), default=None)

    @property
    def period(self) -> int:
        """How far apart sizes are that are treated alike."""
        return lcm(*(c.period for c in self.classes))

    def largest_below(self, size: int) -> int | None:
        """The largest size under ``size`` that fits."""
        return max((n for c in self.classes if (n := _largest_below(c, size)) is not None), default=None)

    def smallest_above(self, size: int) -> int | None:
        """The smallest size over ``size`` that fits."""
        return min((n for c in self.classes if (n := _smallest_above(c, size)) is not None), default=None)

    def __str__(self) -> str:
        if not self.is_complete:
            return "sizes in more classes than can be listed; each is checked when it is used"
        endless = [c for c in self.classes if c.last is None]
        single = sorted({n for c in self.classes if c.last is not None for n in range(c.first, c.last + 1, c.period)})
        sentences = [_describe_unbounded(endless)] if endless else []
        if single:
            sentences.append(f"n = {', '.join(map(str, single[:8]))}{', ...' if len(single) > 8 else ''}")
        return " or ".join(sentences) or "no size"


def find_fitting_sizes(nodes: Sequence[Node], output: int, axis: int) -> FittingSizes:
    """All sizes that run through the nodes along one axis."""
    open_classes, found, steps, complete = [(0, 1)], [], 0, True
    while open_classes and steps < MAX_STEPS:
        steps += len(nodes)
        residue, period = open_classes.pop()
        lines = _ResidueSizes(residue, period)
        try:
            sizes = [lines.input_size]
            for node in nodes[1:]:
                sizes.append(node.op.output_size_along(axis, [sizes[i] for i in node.inputs], lines))
        except _SplitNeededError as split:
            if period * split.ways > MAX_PERIOD:
                complete = False
            else:
                open_classes += [(residue + i * period, period * split.ways) for i in range(split.ways)]
        except _NoSolutionError:
            continue
        else:
            found.append(lines.to_residue_class(sizes[output]))
    return FittingSizes(tuple(sorted(found)), complete and not open_classes)


class _SplitNeededError(Exception):
    """The class must be split into so many before the op's outcome is one line."""

    def __init__(self, ways: int) -> None:
        self.ways = ways


class _NoSolutionError(Exception):
    """No size of the class fits."""


class _ResidueSizes:
    """Sizes of one residue class as lines in t, with the bounds on t that the ops so far have set."""

    def __init__(self, residue: int, period: int) -> None:
        self.input_size = LinearForm(residue, period)
        self.min_t = 0 if residue else 1
        self.max_t: int | None = None

    def to_residue_class(self, output: LinearForm) -> ResidueClass:
        first = self.input_size.base + self.input_size.step * self.min_t
        last = None if self.max_t is None else self.input_size.base + self.input_size.step * self.max_t
        return ResidueClass(first, self.input_size.step, last, output.base + output.step * self.min_t, output.step)

    def apply(self, size: LinearForm, rule: Rule, op_name: str) -> LinearForm:
        self._require_non_negative(LinearForm(size.base - rule.minimum, size.step))
        if rule.residue is not None:
            self._require_divisible(size.step, rule.divisor)
            if (size.base - rule.residue) % rule.divisor:
                raise _NoSolutionError
        self._require_divisible(rule.factor * size.step, rule.divisor)
        total = rule.factor * size.base + rule.offset
        base = -(-total // rule.divisor) if rule.up else total // rule.divisor
        return LinearForm(base + rule.plus, rule.factor * size.step // rule.divisor)

    def require_equal(self, sizes: Sequence[LinearForm], op_name: str) -> LinearForm:
        first = sizes[0]
        for other in sizes[1:]:
            self._solve_equal(first, other)
        return first

    def require_at_least(self, size: LinearForm, other: LinearForm, op_name: str) -> None:
        self._require_non_negative(LinearForm(size.base - other.base, size.step - other.step))

    def _solve_equal(self, first: LinearForm, other: LinearForm) -> None:
        steps, bases = first.step - other.step, other.base - first.base
        if steps == 0:
            if bases:
                raise _NoSolutionError
            return
        if bases % steps or bases // steps < self.min_t:
            raise _NoSolutionError
        self._lower_max_t(bases // steps)
        self._raise_min_t(bases // steps)

    def _require_non_negative(self, line: LinearForm) -> None:
        if line.step > 0:
            self._raise_min_t(-(line.base // line.step))
        elif line.step < 0:
            self._lower_max_t(line.base // -line.step)
        elif line.base < 0:
            raise _NoSolutionError

    def _raise_min_t(self, low: int) -> None:
        self.min_t = max(self.min_t, low)
        self._check_bounds()

    def _lower_max_t(self, high: int) -> None:
        self.max_t = high if self.max_t is None else min(self.max_t, high)
        self._check_bounds()

    def _check_bounds(self) -> None:
        if self.max_t is not None and self.max_t < self.min_t:
            raise _NoSolutionError

    def _require_divisible(self, step: int, divisor: int) -> None:
        if step % divisor:
            raise _SplitNeededError(divisor // gcd(step, divisor))


def _largest_below(residue_class: ResidueClass, size: int) -> int | None:
    if size <= residue_class.first:
        return None
    top = size - 1 if residue_class.last is None else min(size - 1, residue_class.last)
    return top - (top - residue_class.first) % residue_class.period


def _smallest_above(residue_class: ResidueClass, size: int) -> int | None:
    if size < residue_class.first:
        return residue_class.first
    above = size + 1 + (residue_class.first - size - 1) % residue_class.period
    return above if residue_class.last is None or above <= residue_class.last else None


def _describe_unbounded(classes: Sequence[ResidueClass]) -> str:
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
