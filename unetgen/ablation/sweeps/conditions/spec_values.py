"""Look up the values of a spec at dotted paths, for the conditions of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from unetgen.config.registry.slots import SIDES, SLOT_BY_KEY
from unetgen.config.yaml.tree import YamlNode


class SpecValues:
    """The values of one variant by path, and the labels it takes by axis name.

    The value of a part is its type; a missing value is None. A setting missing for a level or side falls back to the
    setting for all levels. All values of a level beyond the depth are None.
    """

    def __init__(self, tree: YamlNode, labels: Mapping[str, str]) -> None:
        self._tree, self._labels = tree, labels

    def __getitem__(self, path: str) -> Any:
        if path in self._labels:
            return self._labels[path]
        steps = path.split(".")
        if steps[0] == "levels" and not self._has_level(steps[1:]):
            return None
        values = (self._look_up(path_steps) for path_steps in self._iter_fallback_paths(steps))
        return next((value for value in values if value is not None), None)

    def _has_level(self, steps: list[str]) -> bool:
        depth = self["depth"]
        return not (steps and steps[0].isdigit() and type(depth) is int and int(steps[0]) > depth)

    def _iter_fallback_paths(self, steps: list[str]) -> Iterator[list[str]]:
        """Yield the paths that may set a value, most specific first: level's side, level, side, network."""
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
            # A part without options is written as its type, a dropped skip as its fusion.
            is_shorthand = node is not None and isinstance(node.value, str) and step in ("type", "fusion")
            node = node if is_shorthand or node is None else node.mapping.get(step)
        return _to_plain_value(steps[-1], node)


def _to_plain_value(key: str, node: YamlNode | None) -> Any:
    """Return a node's value: a part's type, a skip's fusion type; None for options without a type."""
    if node is not None and key == "skip":
        key, node = "fusion", node if isinstance(node.value, str) else node.mapping.get("fusion")
    if node is not None and key in SLOT_BY_KEY and isinstance(node.value, dict):
        node = node.mapping.get("type")
    return node.to_data() if node is not None else None
