"""Told: what a spec says at a dotted path, for the conditions of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unetgen.config.node import Node
from unetgen.config.slots import SLOT_OF


class Told:
    """The values of one variant: a part by its name, None where nothing is said, labels by the names of their axes."""

    def __init__(self, tree: Node, labels: Mapping[str, str]) -> None:
        self._tree, self._labels = tree, labels

    def __getitem__(self, path: str) -> Any:
        if path in self._labels:
            return self._labels[path]
        node: Node | None = self._tree
        for step in path.split("."):
            node = node.mapping.get(step) if node is not None else None
        return _plainly(path.rpartition(".")[2], node)


def _plainly(key: str, node: Node | None) -> Any:
    """A value; of a part its name, of a skip its fusion's."""
    if node is not None and key == "skip":
        key, node = "fusion", node.mapping.get("fusion", node)
    if node is not None and key in SLOT_OF:
        node = node.mapping.get("type", node)
    return node.plain() if node is not None else None
