"""Condition: an expression of a sweep's ``where``. simpleeval reckons it; Python itself evaluates nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unetgen.ablation.where.told import Told
from unetgen.config.node import Node
from unetgen.errors import MissingExtra, Problem, SpecError

if TYPE_CHECKING:
    from simpleeval import SimpleEval

_EXAMPLE = "write \"not (depth == 3 and skip.fusion == 'none')\""

FUNCTIONS: Mapping[str, Callable[..., Any]] = {"len": len, "min": min, "max": max, "sum": sum}


@dataclass(frozen=True)
class Condition:
    """What a variant must be like. Its names are paths of the spec, and the names of axes with labels."""

    node: Node
    tree: ast.expr
    names: tuple[str, ...]

    @classmethod
    def read(cls, node: Node) -> Condition:
        """The condition that a node writes. Raises SpecError, and MissingExtra without simpleeval."""
        evaluator()
        if not isinstance(node.value, str):
            raise SpecError([node.problem("where", "a condition is text", _EXAMPLE)])
        try:
            parsed = ast.parse(node.value.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError) as error:
            what = f"{node.value!r} is no expression: {getattr(error, 'msg', None) or error}"
            raise SpecError([node.problem("where", what, _EXAMPLE)]) from None
        paths = _Paths()
        tree = paths.visit(parsed).body
        return cls(node, tree, tuple(dict.fromkeys(paths.found)))

    def holds(self, values: Told, variant: str) -> bool:
        """Whether it is true of a variant. Raises SpecError where it is neither true nor false of it."""
        reckoner = evaluator()
        reckoner.names = values
        try:
            answer = reckoner.eval(self.node.value, self.tree)
        except Exception as error:  # what simpleeval raises ranges from its own errors to those of the operators
            raise SpecError([self._unclear(f"cannot be reckoned for {variant}: {error}", values)]) from None
        if not isinstance(answer, bool):
            raise SpecError([self._unclear(f"is {answer!r} for {variant}, neither true nor false", values)])
        return answer

    def _unclear(self, what: str, values: Told) -> Problem:
        said = ", ".join(f"{name} is {values[name]!r}" for name in self.names)
        return self.node.problem("where", f"{self.node.value!r} {what}", said)


def evaluator() -> SimpleEval:
    """A reckoner of expressions with lists and a few functions. Raises MissingExtra."""
    try:
        from simpleeval import EvalWithCompoundTypes
    except ImportError:
        raise MissingExtra("'where' in a sweep", "simpleeval", "ablation") from None
    return EvalWithCompoundTypes(functions=dict(FUNCTIONS), allowed_attrs={})


class _Paths(ast.NodeTransformer):
    """Makes one name of each dotted path, so that no attribute of anything is ever asked for."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._named(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._named(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.found.append(node.id)
        return node

    def _named(self, node: ast.Attribute | ast.Subscript) -> ast.AST:
        path = _path(node)
        if path is None:
            return self.generic_visit(node)
        self.found.append(path)
        return ast.copy_location(ast.Name(id=path, ctx=ast.Load()), node)


def _path(node: ast.expr) -> str | None:
    """The path that attributes and levels in brackets write: ``levels[3].block.norm``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _path(node.value)
        return f"{above}.{node.attr}" if above else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and _path(node.value) == "levels":
        return f"levels.{node.slice.value!s}"
    return None
