"""Parse the text of a condition into a tree in which each dotted path is one name.

Python's parser reads the text, but Python never executes it. Unsupported syntax is rejected before any evaluation.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

EXAMPLE_HINT = "write \"not (depth == 3 and skip.fusion == 'none')\""

FUNCTIONS: Mapping[str, Callable[..., Any]] = {"len": len, "max": max, "min": min, "sum": sum}

_ALLOWED_NODES = (
    ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Set,
    ast.Attribute, ast.Subscript, ast.boolop, ast.unaryop, ast.operator, ast.cmpop, ast.expr_context,
)  # fmt: skip

# Literals of YAML and other languages, with their Python spelling.
_PYTHON_SPELLINGS = {"true": "True", "false": "False", "null": "None"}


class ConditionSyntaxError(Exception):
    """Invalid or unsupported syntax in a condition, with a hint."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class Expression:
    """A parsed condition, ready for evaluation."""

    tree: ast.expr
    names: tuple[str, ...]
    """The paths and axes with labels in the condition."""
    literal_comparisons: tuple[tuple[str, str], ...]
    """Pairs of a name and a string literal that it is compared with."""

    @classmethod
    def read(cls, text: str) -> Expression:
        """Parse the text of a condition.

        Raises:
            ConditionSyntaxError: The text is not an expression, or uses unsupported syntax.
        """
        try:
            paths = _PathCollapser()
            tree = paths.visit(ast.parse(text.strip(), mode="eval").body)
            comparisons = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConditionSyntaxError(
                f"is not an expression: {getattr(error, 'msg', None) or error}", EXAMPLE_HINT
            ) from None
        literals = (pair for node in comparisons for pair in _iter_literal_comparisons(node))
        return cls(tree, tuple(dict.fromkeys(paths.names)), tuple(dict.fromkeys(literals)))


class _PathCollapser(ast.NodeTransformer):
    """Replace each dotted path by one name, so that no attribute of an object is ever accessed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, _ALLOWED_NODES):
            raise ConditionSyntaxError(f"uses {ast.unparse(node)!r}, which is not supported", EXAMPLE_HINT)
        return super().visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if _parse_path(node) is None:
            raise ConditionSyntaxError(f"uses {ast.unparse(node)!r}, which is not a path", EXAMPLE_HINT)
        return self._collapse_path(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "levels" and _parse_path(node) is None:
            raise ConditionSyntaxError(f"uses {ast.unparse(node)!r}, but a level must be a number", "write levels[0]")
        return self._collapse_path(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = ast.unparse(node.func)
        if function not in FUNCTIONS:
            raise ConditionSyntaxError(f"calls unknown function {function!r}", f"use one of {', '.join(FUNCTIONS)}")
        if node.keywords:
            message = f"passes keyword arguments to {function!r}, which takes none"
            raise ConditionSyntaxError(message, f"write {function}(widths)")
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in _PYTHON_SPELLINGS:
            raise ConditionSyntaxError(f"uses undefined name {node.id!r}", f"write {_PYTHON_SPELLINGS[node.id]}")
        self.names.append(node.id)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, (int, float, str, type(None))):
            raise ConditionSyntaxError(f"uses {ast.unparse(node)!r}, which is not supported", EXAMPLE_HINT)
        return node

    def _collapse_path(self, node: ast.Attribute | ast.Subscript) -> ast.AST:
        path = _parse_path(node)
        if path is None:
            return self.generic_visit(node)
        self.names.append(path)
        return ast.copy_location(ast.Name(id=path, ctx=ast.Load()), node)


def _parse_path(node: ast.expr) -> str | None:
    """Return the dotted path of attributes and bracketed levels, such as ``levels[3].block.norm``, or None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        parent = _parse_path(node.value)
        return f"{parent}.{node.attr}" if parent else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and _parse_path(node.value) == "levels":
        return f"levels.{node.slice.value}" if type(node.slice.value) is int else None
    return None


def _iter_literal_comparisons(node: ast.Compare) -> Iterator[tuple[str, str]]:
    """Yield the paths in a comparison, each with the string literals that it is compared with."""
    for pair in pairwise([node.left, *node.comparators]):
        for name, other in (pair, pair[::-1]):
            if isinstance(name, ast.Name):
                items = other.elts if isinstance(other, (ast.List, ast.Tuple, ast.Set)) else [other]
                values = (item.value for item in items if isinstance(item, ast.Constant))
                yield from ((name.id, value) for value in values if isinstance(value, str))
