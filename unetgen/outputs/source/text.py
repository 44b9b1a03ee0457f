"""Text: calls and statements in lines as ruff's formatter would break them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

WIDTH = 120
INDENT = "    "


class Expression:
    """A call, or what else stands between commas: its beginning, what is in it, its end."""

    def __init__(self, head: str, inside: Sequence[Expression | str] = (), tail: str = "") -> None:
        self.head = head
        self.inside = inside
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.head}{', '.join(map(str, self.inside))}{self.tail}"

    def lines(self, before: str, after: str, depth: int) -> list[str]:
        """The lines of ``before expression after``; what is too long is broken at its commas, each with a line."""
        flat = f"{INDENT * depth}{before}{self}{after}"
        if len(flat) <= WIDTH or not self.inside:
            return [flat]
        lines = [f"{INDENT * depth}{before}{self.head}"]
        for item in self.inside:
            inner = item if isinstance(item, Expression) else Expression(item)
            lines += inner.lines("", ",", depth + 1)
        return [*lines, f"{INDENT * depth}{self.tail}{after}"]


def called(name: str, arguments: Sequence[Expression | str]) -> Expression:
    """A call."""
    return Expression(f"{name}(", arguments, ")")


def literal(value: object) -> str:
    """A value as ruff writes it."""
    if isinstance(value, float) and not isfinite(value):
        return f'float("{value}")'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return repr(value)
