"""Solve which input sizes fit along one axis, in closed form: a union of residue classes n = r (mod p), n >= m.

A class is written n = r + p * t with an unknown t, and goes through the same ops as integer sizes. The size of each
feature map is then linear in t. If the result of a division depends on t, the class is split; a constraint of an op
becomes a bound on t, or excludes the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import NamedTuple

from unetgen.graph.node import Node
from unetgen.graph.size_rule import Rule

# Nine halvings that all round down give 512 classes. Beyond these limits the remaining classes are not solved and the
# answer is marked incomplete; single sizes are still computed exactly.
MAX_PERIOD = 4096
MAX_STEPS = 150_000


class LinearForm(NamedTuple):
    """The linear form ``base + step * t``."""

    base: int
    step: int


class ResidueClass(NamedTuple):
    """The sizes first, first + period, ... up to last (unbounded if None), and their output sizes."""

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
    """The sizes that fit along one axis."""

    classes: tuple[ResidueClass, ...]
    is_complete: bool = True
    """Whether all fitting sizes are listed; False if there are too many classes. Single sizes can still be tried."""

    @classmethod
    def only(cls, size: int, output: int) -> FittingSizes:
        """Return the sizes of a network that accepts only one."""
        return cls((ResidueClass(size, 1, size, output, 0),))

    def __contains__(self, size: int) -> bool:
        return any(size in residue_class for residue_class in self.classes)

    def output_size(self, size: int) -> int:
        """Return the output size for a size that fits."""
        residue_class = next(c for c in self.classes if size in c)
        steps = (size - residue_class.first) // residue_class.period
        return residue_class.first_output + steps * residue_class.output_step

    @property
    def are_multiples(self) -> bool:
        """Whether exactly the multiples of ``period`` fit, from some smallest one."""
        if not self.is_complete or len(self.classes) != 1:
            return False
        only = self.classes[0]
        return only.last is None and only.first % only.period == 0

    @property
    def smallest(self) -> int | None:
        """The smallest size that fits; None if no size does."""
        return min((c.first for c in self.classes), default=None)

    @property
    def period(self) -> int:
        """The distance between sizes that the network treats alike, in pixels."""
        return lcm(*(c.period for c in self.classes))

    def largest_below(self, size: int) -> int | None:
        """Return the largest fitting size below ``size``, or None."""
        return max((n for c in self.classes if (n := _largest_below(c, size)) is not None), default=None)

    def smallest_above(self, size: int) -> int | None:
        """Return the smallest fitting size above ``size``, or None."""
        return min((n for c in self.classes if (n := _smallest_above(c, size)) is not None), default=None)

    def __str__(self) -> str:
        if not self.is_complete:
            return "too many size classes to list; each size is checked when it is used"
        unbounded = [c for c in self.classes if c.last is None]
        single = sorted({n for c in self.classes if c.last is not None for n in range(c.first, c.last + 1, c.period)})
        alternatives = [_describe_unbounded(unbounded)] if unbounded else []
        if single:
            alternatives.append(f"n = {', '.join(map(str, single[:8]))}{', ...' if len(single) > 8 else ''}")
        return " or ".join(alternatives) or "no size"


def find_fitting_sizes(nodes: Sequence[Node], output: int, axis: int) -> FittingSizes:
    """Return all input sizes that fit the nodes along one axis.

    Args:
        nodes: The nodes of a graph.
        output: The index of the node whose output size is reported.
        axis: The spatial axis, from 0.

    Returns:
        The sizes.
    """
    unsolved, solved, steps, is_complete = [(0, 1)], [], 0, True
    while unsolved and steps < MAX_STEPS:
        steps += len(nodes)
        residue, period = unsolved.pop()
        arithmetic = _ResidueSizes(residue, period)
        try:
            sizes = [arithmetic.input_size]
            for node in nodes[1:]:
                sizes.append(node.op.output_size_along(axis, [sizes[i] for i in node.inputs], arithmetic))
        except _SplitNeededError as split:
            if period * split.ways > MAX_PERIOD:
                is_complete = False
            else:
                unsolved += [(residue + i * period, period * split.ways) for i in range(split.ways)]
        except _NoSolutionError:
            continue
        else:
            solved.append(arithmetic.to_residue_class(sizes[output]))
    return FittingSizes(tuple(sorted(solved)), is_complete and not unsolved)


class _SplitNeededError(Exception):
    """The class must be split into ``ways`` classes before the op's output size is linear in t."""

    def __init__(self, ways: int) -> None:
        self.ways = ways


class _NoSolutionError(Exception):
    """No size of the class fits."""


class _ResidueSizes:
    """The sizes of one residue class as linear forms in t, with the bounds on t from the ops so far."""

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

    def _require_non_negative(self, form: LinearForm) -> None:
        if form.step > 0:
            self._raise_min_t(-(form.base // form.step))
        elif form.step < 0:
            self._lower_max_t(form.base // -form.step)
        elif form.base < 0:
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
    """Return ``n = r (mod p), n >= m`` with the smallest p, and the sizes below m that fit."""
    period = lcm(*(c.period for c in classes))
    first = {(c.first + i) % period: c.first + i for c in classes for i in range(0, period, c.period)}
    for divisor in (d for d in range(1, period + 1) if period % d == 0):
        residues = {residue % divisor for residue in first}
        if len(residues) * (period // divisor) == len(first):
            break
    # The largest size of a residue that does not fit is one period below its first that does.
    threshold = max(first.values()) - period + 1
    while threshold % divisor not in residues:
        threshold += 1
    early = sorted(n for n in first.values() if n < threshold)
    rule = "any n" if divisor == 1 else f"n = {', '.join(map(str, sorted(residues)))} (mod {divisor}), n"
    text = f"{rule} >= {threshold}"
    return f"{text} or n = {', '.join(map(str, early))}" if early else text
