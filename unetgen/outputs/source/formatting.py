"""Format calls and statements with the line breaks of ruff's formatter."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

MAX_LINE_LENGTH = 120
INDENT = "    "


class Expression:
    """A call or another bracketed expression: head, comma-separated items, tail."""

    def __init__(self, head: str, items: Sequence[Expression | str] = (), tail: str = "") -> None:
        self.head = head
        self.items = items
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.head}{', '.join(map(str, self.items))}{self.tail}"

    def format_lines(self, prefix: str, suffix: str, depth: int) -> list[str]:
        """Format the expression between a prefix and a suffix; one that is too long gets one line per item."""
        single_line = f"{INDENT * depth}{prefix}{self}{suffix}"
        if len(single_line) <= MAX_LINE_LENGTH or not self.items:
            return [single_line]
        lines = [f"{INDENT * depth}{prefix}{self.head}"]
        for item in self.items:
            inner = item if isinstance(item, Expression) else Expression(item)
            lines += inner.format_lines("", ",", depth + 1)
        return [*lines, f"{INDENT * depth}{self.tail}{suffix}"]


def format_call(name: str, arguments: Sequence[Expression | str]) -> Expression:
    """Build a call expression."""
    return Expression(f"{name}(", arguments, ")")


def format_literal(value: object) -> str:
    """Format a value as ruff does."""
    if isinstance(value, float) and not isfinite(value):
        return f'float("{value}")'
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        inner = ", ".join(map(format_literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(format_literal, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{format_literal(k)}: {format_literal(v)}" for k, v in value.items()) + "}"
    return repr(value)
