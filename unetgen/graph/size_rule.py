"""Size rules of ops along one axis, for integer and symbolic sizes.

An op defines once how its output's size follows from those of its inputs, by the operations of ``SizeArithmetic``.
With integers (``IntegerSizes``) that gives the size of every feature map; with residue classes
(``graph.fitting_sizes``) it gives all input sizes that fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeVar

from unetgen.errors import UnetgenError

Rounding = Literal["exact", "floor", "ceil"]

S = TypeVar("S")


class Rule(NamedTuple):
    """The size rule of an op: ``(factor * size + offset) / divisor + plus``, rounded down.

    Attributes:
        factor: Multiplies the size.
        offset: Is added before the division.
        divisor: Divides the sum.
        plus: Is added after the division.
        minimum: The smallest size that fits.
        residue: If set, only sizes n = residue (mod divisor) fit; the others would lose pixels without notice.
        up: Whether the quotient is rounded up instead of down.

    Examples:
        >>> IntegerSizes().apply(64, Rule(divisor=2, residue=0), "pool")
        32
    """

    factor: int = 1
    offset: int = 0
    divisor: int = 1
    plus: int = 0
    minimum: int = 1
    residue: int | None = None
    up: bool = False


class SizeConstraintError(UnetgenError):
    """A size that does not fit an op: ``size`` pixels, and the reason as a clause after the size."""

    def __init__(self, size: int, reason: str) -> None:
        self.size = size
        self.reason = reason
        super().__init__(f"{size} {reason}")


class SizeArithmetic(Protocol[S]):
    """The operations on sizes from which ops compute the size of their output. ``op_name`` is for errors."""

    def apply(self, size: S, rule: Rule, op_name: str) -> S:
        """Return the size after a rule."""

    def require_equal(self, sizes: Sequence[S], op_name: str) -> S:
        """Return the size that all inputs must have."""

    def require_at_least(self, size: S, other: S, op_name: str) -> None:
        """Accept only sizes that are at least the other."""


class IntegerSizes:
    """Integer sizes. Raises SizeConstraintError for a size that does not fit."""

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
                raise SizeConstraintError(first, f"which {op_name} cannot combine with {other}")
        return first

    def require_at_least(self, size: int, other: int, op_name: str) -> None:
        if size < other:
            raise SizeConstraintError(size, f"where {op_name} needs at least {other}")


def _describe_division(rule: Rule) -> str:
    if rule.residue:
        return f"divide by {rule.divisor} with remainder {rule.residue}"
    return "halve" if rule.divisor == 2 else f"divide by {rule.divisor}"
