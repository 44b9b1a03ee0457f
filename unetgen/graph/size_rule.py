"""How sizes are reckoned along one axis, in numbers or in unknowns.

An op says once how its output's size follows from its inputs' sizes, in the words of ``Algebra``. Read with
plain numbers (``Numbers``) that gives every size of a network; read with residue classes (``fit.Classes``)
it gives all the input sizes that fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeVar

from unetgen.errors import UnetgenError

Rounding = Literal["exact", "floor", "ceil"]

S = TypeVar("S")


class Rule(NamedTuple):
    """size -> (factor * size + offset) / divisor + plus, rounded down or up.

    It holds for sizes of at least ``minimum``. With ``residue`` set, only sizes n = residue (mod divisor)
    are taken: all others would lose a row that nobody asked to lose.
    """

    factor: int = 1
    offset: int = 0
    divisor: int = 1
    plus: int = 0
    minimum: int = 1
    residue: int | None = None
    up: bool = False


class SizeConstraintError(UnetgenError):
    """A size that an op cannot take: ``size`` pixels, and why not."""

    def __init__(self, size: int, reason: str) -> None:
        self.size = size
        self.reason = reason
        super().__init__(f"{size} {reason}")


class SizeArithmetic(Protocol[S]):
    """The words in which an op speaks of sizes."""

    def apply(self, size: S, rule: Rule, op_name: str) -> S:
        """The size after a rule; ``kind`` is what the op is called."""

    def require_equal(self, sizes: Sequence[S], op_name: str) -> S:
        """The one size that all inputs must have."""

    def require_at_least(self, size: S, other: S, op_name: str) -> None:
        """Takes only sizes that are at least the other."""


class IntegerSizes:
    """Sizes as plain numbers; what does not fit is raised as a Misfit."""

    def apply(self, size: int, rule: Rule, op_name: str) -> int:
        if size < rule.minimum:
            raise SizeConstraintError(size, f"where {op_name} needs at least {rule.minimum}")
        if rule.residue is not None and (size - rule.residue) % rule.divisor:
            raise SizeConstraintError(size, f"which {op_name} cannot {_describe_division(rule)}")
        total = rule.factor * size + rule.offset
        return (-(-total // rule.divisor) if rule.up else total // rule.divisor) + rule.plus

    def require_equal(self, sizes: Sequence[int], op_name: str) -> int:
        first = sizes[0]
        for other in sizes:
            if other != first:
                raise SizeConstraintError(first, f"beside {other}, which {op_name} cannot join")
        return first

    def require_at_least(self, size: int, other: int, op_name: str) -> None:
        if size < other:
            raise SizeConstraintError(size, f"where {op_name} needs at least {other}")


def _describe_division(rule: Rule) -> str:
    if rule.residue:
        return f"divide by {rule.divisor} with {rule.residue} left"
    return "halve" if rule.divisor == 2 else f"divide by {rule.divisor}"
