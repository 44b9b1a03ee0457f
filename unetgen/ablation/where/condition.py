"""Condition: an expression of a sweep's ``where``. simpleeval reckons it; Python itself evaluates nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unetgen.ablation.where.expression import EXAMPLE, FUNCTIONS, Expression, Unwritten
from unetgen.ablation.where.told import Told
from unetgen.config.node import Node
from unetgen.errors import MissingExtra, Problem, SpecError

if TYPE_CHECKING:
    from simpleeval import SimpleEval


@dataclass(frozen=True)
class Condition:
    """What a variant must be like. Its names are paths of the spec, and the names of axes with labels."""

    node: Node
    expression: Expression

    @classmethod
    def read(cls, node: Node) -> Condition:
        """The condition that a node writes. Raises SpecError, and MissingExtra without simpleeval."""
        evaluator()
        if not isinstance(node.value, str):
            raise SpecError([node.problem("where", "a condition is text", EXAMPLE)])
        try:
            return cls(node, Expression.read(node.value))
        except Unwritten as error:
            raise SpecError([node.problem("where", f"{_short(node.value)!r} {error.what}", error.way)]) from None

    def holds(self, values: Told, variant: str) -> bool:
        """Whether it is true of a variant. Raises SpecError where it is neither true nor false of it."""
        reckoner = evaluator()
        reckoner.names = values
        try:
            answer = reckoner.eval(self.node.value, self.expression.tree)
        except Exception as error:  # what simpleeval raises ranges from its own errors to those of the operators
            raise SpecError([self._unclear(f"cannot be reckoned for {variant}: {error}", values)]) from None
        if not isinstance(answer, bool):
            raise SpecError([self._unclear(f"is {answer!r} for {variant}, neither true nor false", values)])
        return answer

    def _unclear(self, what: str, values: Told) -> Problem:
        said = ", ".join(f"{name} is {values[name]!r}" for name in self.expression.names)
        return self.node.problem("where", f"{_short(str(self.node.value))!r} {what}", said)


def evaluator() -> SimpleEval:
    """A reckoner of expressions with lists and a few functions. Raises MissingExtra."""
    try:
        from simpleeval import EvalWithCompoundTypes
    except ImportError:
        raise MissingExtra("'where' in a sweep", "simpleeval", "ablation") from None
    return EvalWithCompoundTypes(functions=dict(FUNCTIONS), allowed_attrs={})


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
