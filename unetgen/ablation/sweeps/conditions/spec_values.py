"""Told: what a spec says at a dotted path, for the conditions of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from unetgen.config.registry.slots import SIDES, SLOT_BY_KEY
from unetgen.config.yaml.tree import YamlNode


class SpecValues:
    """The values of one variant: a part by its name, None where nothing is said, labels by the names of their axes.

    What a side or a level does not say differently is what is said for all; a level that is not there says nothing.
    """

    def __init__(self, tree: YamlNode, labels: Mapping[str, str]) -> None:
        self._tree, self._labels = tree, labels

    def __getitem__(self, path: str) -> Any:
        if path in self._labels:
            return self._labels[path]
        steps = path.split(".")
        if steps[0] == "levels" and not self._has_level(steps[1:]):
            return None
        found = (self._look_up(place) for place in self._iter_fallback_paths(steps))
        return next((value for value in found if value is not None), None)

    def _has_level(self, steps: list[str]) -> bool:
        depth = self["depth"]
        return not (steps and steps[0].isdigit() and type(depth) is int and int(steps[0]) > depth)

    def _iter_fallback_paths(self, steps: list[str]) -> Iterator[list[str]]:
        """Where something may be said of a place, the closest first: its level's side, its level, its side, the top."""
        yield steps
        if steps[0] == "levels" and len(steps) > 2:
            level, *rest = steps[1:]
            if rest[0] in SIDES and len(rest) > 1:
                yield ["levels", level, *rest[1:]]
            elif level == str(self["depth"]):
                yield ["bottleneck", *rest]
            yield rest
            steps = rest
        if steps[0] in SIDES and len(steps) > 1:
            yield steps[1:]

    def _look_up(self, steps: list[str]) -> Any:
        node: YamlNode | None = self._tree
        for step in steps:
            # A part without options is written as its name, a dropped skip as its fusion.
            named = node is not None and isinstance(node.value, str) and step in ("type", "fusion")
            node = node if named or node is None else node.mapping.get(step)
        return _to_plain_value(steps[-1], node)


def _to_plain_value(key: str, node: YamlNode | None) -> Any:
    """A value; of a part its name, of a skip its fusion's. What only adds options to a part names none."""
    if node is not None and key == "skip":
        key, node = "fusion", node if isinstance(node.value, str) else node.mapping.get("fusion")
    if node is not None and key in SLOT_BY_KEY and isinstance(node.value, dict):
        node = node.mapping.get("type")
    return node.to_data() if node is not None else None
