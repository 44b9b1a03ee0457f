"""A tree of plain values, each with its source location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from unetgen.errors import Problem, SourceLocation, SpecError

Scalar = None | bool | int | float | str


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A scalar, a list of nodes, or a mapping of names to nodes.

    Attributes:
        value: The scalar, the list or the mapping.
        path: The key path in messages: ``decoder.block.norm``, ``widths[2]``.
        mark: The source location of the value.
        key_mark: The source location of its key.
        precedence: The number of trees that this one overrides. Of two settings, the one of higher precedence wins.
    """

    value: Scalar | list[YamlNode] | dict[str, YamlNode]
    path: str
    mark: SourceLocation
    key_mark: SourceLocation
    precedence: int = 0

    @property
    def mapping(self) -> dict[str, YamlNode]:
        """The entries of a mapping; empty for other values."""
        return self.value if isinstance(self.value, dict) else {}

    def to_data(self) -> Any:
        """Return the value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: child.to_data() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.to_data() for child in self.value]
        return self.value

    def find(self, key_path: tuple[int | str, ...]) -> YamlNode:
        """Return the node at a key path, or its closest ancestor."""
        node = self
        for step in key_path:
            children: Any = node.value
            try:
                child = children[str(step) if isinstance(children, dict) else step]
            except (KeyError, IndexError, TypeError):
                return node
            if not isinstance(child, YamlNode):
                return node
            node = child
        return node

    def rebase(self, path: str) -> YamlNode:
        """Return the tree at another path; its source locations stay."""
        value: Any = self.value
        if isinstance(value, dict):
            value = {key: child.rebase(join_path(path, key)) for key, child in value.items()}
        elif isinstance(value, list):
            value = [child.rebase(join_path(path, i)) for i, child in enumerate(value)]
        return replace(self, value=value, path=path)

    def without(self, *names: str) -> YamlNode:
        """Return the mapping without some entries."""
        return replace(self, value={k: v for k, v in self.mapping.items() if k not in names})

    def problem(self, code: str, message: str, hint: str = "") -> Problem:
        """Return a problem with this value, at the value's source location."""
        return Problem(code, self.path, message, hint, self.mark)

    def key_problem(self, code: str, message: str, hint: str = "") -> Problem:
        """Return a problem with this value's key, at the key's source location."""
        return Problem(code, self.path, message, hint, self.key_mark)


def join_path(parent: str, step: int | str) -> str:
    """Return the path of an entry: ``a.b`` in a mapping, ``a[0]`` in a list."""
    if isinstance(step, int):
        return f"{parent}[{step}]"
    return f"{parent}.{step}" if parent else step


# Deeper than any spec, and far below Python's recursion limit; the YAML parser has the same limit.
MAX_NESTING = 24
MAX_DIGITS = 15


def from_data(data: Any, source: str, path: str = "", depth: int = 0) -> YamlNode:
    """Return the tree of plain Python data. Raises SpecError for data that YAML cannot represent."""
    mark = SourceLocation(source)
    if depth > MAX_NESTING:
        raise SpecError([Problem("size", path, f"more than {MAX_NESTING} levels deep", "is this a spec?", mark)])
    if isinstance(data, Mapping):
        items_by_name = [(str(key), value) for key, value in data.items()]
        entries = {key: from_data(value, source, join_path(path, key), depth + 1) for key, value in items_by_name}
        return YamlNode(entries, path, mark, mark)
    if isinstance(data, (list, tuple)):
        items = [from_data(item, source, join_path(path, i), depth + 1) for i, item in enumerate(data)]
        return YamlNode(items, path, mark, mark)
    if type(data) is int and abs(data) >= 10**MAX_DIGITS:
        hint = f"write at most {MAX_DIGITS} digits"
        raise SpecError([Problem("number", path, "the number is too large", hint, mark)])
    if data is None or type(data) in (bool, int, float, str):
        return YamlNode(data, path, mark, mark)
    message = f"YAML cannot represent a {type(data).__name__}"
    raise SpecError([Problem("type", path, message, "use numbers, text, lists and mappings", mark)])
