"""Expression: the text of a condition as a tree in which each dotted path is one name.

Python's parser reads it and nothing of Python runs it. What no condition needs is refused before anything is reckoned.
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

# How other languages write what Python writes with a capital.
_PYTHON_SPELLINGS = {"true": "True", "false": "False", "null": "None"}


class ConditionSyntaxError(Exception):
    """What a condition cannot say, and what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class Expression:
    """A condition that can be reckoned."""

    tree: ast.expr
    names: tuple[str, ...]
    """The paths in it, and the axes with labels."""
    literal_comparisons: tuple[tuple[str, str], ...]
    """Which of them are compared with which words."""

    @classmethod
    def read(cls, text: str) -> Expression:
        """The expression that a text writes. Raises Unwritten."""
        try:
            paths = _PathCollapser()
            tree = paths.visit(ast.parse(text.strip(), mode="eval").body)
            compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConditionSyntaxError(
                f"is no expression: {getattr(error, 'msg', None) or error}", EXAMPLE_HINT
            ) from None
        words = (pair for node in compared for pair in _iter_literal_comparisons(node))
        return cls(tree, tuple(dict.fromkeys(paths.names)), tuple(dict.fromkeys(words)))


class _PathCollapser(ast.NodeTransformer):
    """Makes one name of each dotted path, so that no attribute of anything is ever asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, _ALLOWED_NODES):
            raise ConditionSyntaxError(f"says {ast.unparse(node)!r}, which conditions cannot", EXAMPLE_HINT)
        return super().visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if _parse_path(node) is None:
            raise ConditionSyntaxError(f"says {ast.unparse(node)!r}, which is no path", EXAMPLE_HINT)
        return self._collapse_path(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "levels" and _parse_path(node) is None:
            raise ConditionSyntaxError(
                f"says {ast.unparse(node)!r}; levels are called by their numbers", "write levels[0]"
            )
        return self._collapse_path(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = ast.unparse(node.func)
        if called not in FUNCTIONS:
            raise ConditionSyntaxError(
                f"calls {called!r}, which conditions do not know", f"they know {', '.join(FUNCTIONS)}"
            )
        if node.keywords:
            raise ConditionSyntaxError(
                f"gives {called!r} options, which it has none of here", f"write {called}(widths)"
            )
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in _PYTHON_SPELLINGS:
            raise ConditionSyntaxError(
                f"says {node.id!r}, which is nothing here", f"write {_PYTHON_SPELLINGS[node.id]}"
            )
        self.names.append(node.id)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, (int, float, str, type(None))):
            raise ConditionSyntaxError(f"says {ast.unparse(node)!r}, which conditions cannot", EXAMPLE_HINT)
        return node

    def _collapse_path(self, node: ast.Attribute | ast.Subscript) -> ast.AST:
        path = _parse_path(node)
        if path is None:
            return self.generic_visit(node)
        self.names.append(path)
        return ast.copy_location(ast.Name(id=path, ctx=ast.Load()), node)


def _parse_path(node: ast.expr) -> str | None:
    """The path that attributes and levels in brackets write: ``levels[3].block.norm``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _parse_path(node.value)
        return f"{above}.{node.attr}" if above else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and _parse_path(node.value) == "levels":
        return f"levels.{node.slice.value}" if type(node.slice.value) is int else None
    return None


def _iter_literal_comparisons(node: ast.Compare) -> Iterator[tuple[str, str]]:
    """The paths in a comparison, each with the words that stand beside it."""
    for pair in pairwise([node.left, *node.comparators]):
        for one, other in (pair, pair[::-1]):
            if isinstance(one, ast.Name):
                listed = other.elts if isinstance(other, (ast.List, ast.Tuple, ast.Set)) else [other]
                values = (item.value for item in listed if isinstance(item, ast.Constant))
                yield from ((one.id, value) for value in values if isinstance(value, str))
