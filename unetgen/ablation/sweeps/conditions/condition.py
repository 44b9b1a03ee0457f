"""Condition: an expression of a sweep's ``where``. simpleeval reckons it; Python itself evaluates nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unetgen.ablation.sweeps.conditions.expression import EXAMPLE_HINT, FUNCTIONS, ConditionSyntaxError, Expression
from unetgen.ablation.sweeps.conditions.spec_values import SpecValues
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import MissingDependencyError, Problem, SpecError

if TYPE_CHECKING:
    from simpleeval import SimpleEval


@dataclass(frozen=True)
class Condition:
    """What a variant must be like. Its names are paths of the spec, and the names of axes with labels."""

    node: YamlNode
    expression: Expression

    @classmethod
    def read(cls, node: YamlNode) -> Condition:
        """The condition that a node writes. Raises SpecError, and MissingExtra without simpleeval."""
        create_evaluator()
        if not isinstance(node.value, str):
            raise SpecError([node.problem("where", "a condition is text", EXAMPLE_HINT)])
        try:
            return cls(node, Expression.read(node.value))
        except ConditionSyntaxError as error:
            raise SpecError([node.problem("where", f"{_truncate(node.value)!r} {error.message}", error.hint)]) from None

    def holds(self, values: SpecValues, variant: str) -> bool:
        """Whether it is true of a variant. Raises SpecError where it is neither true nor false of it."""
        reckoner = create_evaluator()
        reckoner.names = values
        try:
            answer = reckoner.eval(self.node.value, self.expression.tree)
        except Exception as error:  # what simpleeval raises ranges from its own errors to those of the operators
            raise SpecError(
                [self._make_evaluation_problem(f"cannot be reckoned for {variant}: {error}", values)]
            ) from None
        if not isinstance(answer, bool):
            raise SpecError(
                [self._make_evaluation_problem(f"is {answer!r} for {variant}, neither true nor false", values)]
            )
        return answer

    def _make_evaluation_problem(self, message: str, values: SpecValues) -> Problem:
        said = ", ".join(f"{name} is {values[name]!r}" for name in self.expression.names)
        return self.node.problem("where", f"{_truncate(str(self.node.value))!r} {message}", said)


def create_evaluator() -> SimpleEval:
    """A reckoner of expressions with lists and a few functions. Raises MissingExtra."""
    try:
        from simpleeval import EvalWithCompoundTypes
    except ImportError:
        raise MissingDependencyError("'where' in a sweep", "simpleeval", "ablation") from None
    return EvalWithCompoundTypes(functions=dict(FUNCTIONS), allowed_attrs={})


def _truncate(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
