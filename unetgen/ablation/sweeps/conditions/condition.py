"""Evaluate a condition of a sweep's ``where`` with simpleeval, never with Python's own ``eval``."""

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
    """A condition that variants must meet. Its names are paths of the spec and axes with labels."""

    node: YamlNode
    expression: Expression

    @classmethod
    def read(cls, node: YamlNode) -> Condition:
        """Parse the condition in a YAML node.

        Raises:
            SpecError: The node is not text, or not a valid expression.
            MissingDependencyError: simpleeval is not installed.
        """
        create_evaluator()
        if not isinstance(node.value, str):
            raise SpecError([node.problem("where", "a condition must be text", EXAMPLE_HINT)])
        try:
            return cls(node, Expression.read(node.value))
        except ConditionSyntaxError as error:
            raise SpecError([node.problem("where", f"{_truncate(node.value)!r} {error.message}", error.hint)]) from None

    def holds(self, values: SpecValues, variant: str) -> bool:
        """Return whether a variant meets the condition.

        Args:
            values: The values of the variant's spec, by path.
            variant: The variant's label, for error messages.

        Returns:
            The condition's result.

        Raises:
            SpecError: The evaluation fails, or its result is not a boolean.
        """
        evaluator = create_evaluator()
        evaluator.names = values
        try:
            result = evaluator.eval(self.node.value, self.expression.tree)
        except Exception as error:  # simpleeval raises its own errors, and passes on those of the operators
            message = f"cannot be evaluated for {variant}: {error}"
            raise SpecError([self._make_evaluation_problem(message, values)]) from None
        if not isinstance(result, bool):
            message = f"must be true or false, but is {result!r} for {variant}"
            raise SpecError([self._make_evaluation_problem(message, values)])
        return result

    def _make_evaluation_problem(self, message: str, values: SpecValues) -> Problem:
        named_values = ", ".join(f"{name} is {values[name]!r}" for name in self.expression.names)
        return self.node.problem("where", f"{_truncate(str(self.node.value))!r} {message}", named_values)


def create_evaluator() -> SimpleEval:
    """Create an evaluator of expressions with lists and the functions in ``FUNCTIONS``.

    Raises:
        MissingDependencyError: simpleeval is not installed.
    """
    try:
        from simpleeval import EvalWithCompoundTypes
    except ImportError:
        raise MissingDependencyError("'where' in a sweep", "simpleeval", "ablation") from None
    return EvalWithCompoundTypes(functions=dict(FUNCTIONS), allowed_attrs={})


def _truncate(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
