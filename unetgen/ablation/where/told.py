"""Told: what a spec says at a dotted path, for the conditions of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unetgen.config.node import Node
from unetgen.config.slots import SIDES, SLOT_OF


class Told:
    """The values of one variant: a part by its name, None where nothing is said, labels by the names of their axes.

    What a side or a level does not say differently is what is said for all.
    """

    def __init__(self, tree: Node, labels: Mapping[str, str]) -> None:
        self._tree, self._labels = tree, labels

    def __getitem__(self, path: str) -> Any:
        if path in self._labels:
            return self._labels[path]
        steps = path.split(".")
        while True:
            value = self._said(steps)
            if value is not None or len(steps) < 2 or steps[0] not in (*SIDES, "levels"):
                return value
            steps = steps[2 if steps[0] == "levels" else 1 :]

    def _said(self, steps: list[str]) -> Any:
        node: Node | None = self._tree
        for step in steps:
            # A part without options is written as its name, a dropped skip as its fusion.
            named = node is not None and isinstance(node.value, str) and step in ("type", "fusion")
            node = node if named or node is None else node.mapping.get(step)
        return _plainly(steps[-1], node)


def _plainly(key: str, node: Node | None) -> Any:
    """A value; of a part its name, of a skip its fusion's."""
    if node is not None and key == "skip":
        key, node = "fusion", node.mapping.get("fusion", node)
    if node is not None and key in SLOT_OF:
        node = node.mapping.get("type", node)
    return node.plain() if node is not None else None
