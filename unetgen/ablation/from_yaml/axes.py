"""A sweep's axes from the nodes that describe them, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from unetgen.ablation.axis import Axis, Choice, Setting, decided_twice, worded
from unetgen.config.node import Node
from unetgen.config.overlay import NOT_INHERITED
from unetgen.config.paths import Location, location_of, unknown
from unetgen.config.registry import Registry
from unetgen.errors import Problem, SpecError

# Where axes can stand: in the sweep, and under a label.
AXES_KEYS = ("axes", "zip")

# What is said for people, and what says how the rest is to be read, makes no variants.
NOT_VARIED = (*NOT_INHERITED, "schema_version", "plugins")


class AxesReader:
    """Reads the axes of one sweep; remembers what is wrong."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[Problem] = []

    def axes(self, holder: Node, taken: Mapping[Location, str]) -> tuple[Axis, ...]:
        """The axes that stand in a mapping; ``taken`` has the places that the axes around them decide."""
        axes: list[Axis] = []
        taken = dict(taken)
        for key, node in self._entries(holder.mapping.get("axes"), "write axes: {depth: [3, 4]}").items():
            axes += self._noted(self._axis(key, node, taken), node, taken)
        groups = holder.mapping.get("zip")
        several = groups.value if groups is not None and isinstance(groups.value, list) else [groups]
        for group in several:
            if group is not None:
                axes += self._noted(self._zipped(group), group, taken)
        return tuple(axes)

    def listed(self, node: Node) -> tuple[Axis, ...]:
        """The one axis that a list of variants is, or a mapping of their labels."""
        variants = node.mapping or {str(number): child for number, child in enumerate(self._values(node))}
        choices = tuple(Choice(label, self._settings(child)) for label, child in variants.items())
        return (Axis("variant", choices, named=bool(node.mapping), alone=True),)

    def _settings(self, node: Node) -> tuple[Setting, ...]:
        """What ``{path: value}`` sets."""
        entries = self._entries(node, "write {skip.fusion: add, depth: 3}")
        return self._together((path, value, value) for path, value in entries.items())

    def _together(self, said: Iterable[tuple[str, Node, Node]]) -> tuple[Setting, ...]:
        """What is set at once: paths, their values, and the nodes whose keys the paths are."""
        settings: list[Setting] = []
        taken: dict[Location, str] = {}
        for path, value, written in said:
            setting = self._setting(path, value, written)
            if setting is not None:
                settings.append(setting)
                self._take(setting.leaves(), path, written, taken)
        return tuple(settings)

    def _noted(self, axis: Axis | None, node: Node, taken: dict[Location, str]) -> list[Axis]:
        """The axis, which decides what it does by itself."""
        if axis is None:
            return []
        self._take(axis.places, axis.name, node, taken)
        return [axis]

    def _take(self, places: Iterable[Location], name: str, node: Node, taken: dict[Location, str]) -> None:
        """Notes who decides about places, and refuses those that somebody decides about already."""
        places = sorted(places)
        if (both := decided_twice(places, taken)) is not None:
            place, other = both
            message = f"{'.'.join(place)} is decided by {taken[other]!r} too, and one of the two has no effect"
            problem = node.key_problem("axis", message, "let each place be decided once")
            self.problems += [problem] if problem not in self.problems else []  # of every row of a group the same
        taken.update(dict.fromkeys(places, name))

    def _axis(self, name: str, node: Node, taken: Mapping[Location, str]) -> Axis | None:
        if isinstance(node.value, dict) and node.value:
            return Axis(name, tuple(self._labelled(k, child, taken) for k, child in node.value.items()), named=True)
        values = self._values(node)
        settings = [self._setting(name, value, node) for value in values]
        self._refuse_equal(values)
        found = tuple(Choice(worded(s.value.plain()), (s,)) for s in settings if s is not None)
        return Axis(name, found) if found else None

    def _labelled(self, label: str, node: Node, taken: Mapping[Location, str]) -> Choice:
        if not isinstance(node.value, dict):
            hint = "an axis is a list of values, or a mapping of labels to {path: value}"
            self.problems.append(node.problem("axis", f"the label {label!r} has no paths to set", hint))
            return Choice(label, ())
        settings = self._settings(node.without(*AXES_KEYS))
        decided = {leaf: label for setting in settings for leaf in setting.leaves()}
        return Choice(label, settings, self.axes(node, {**taken, **decided}))

    def _zipped(self, group: Node) -> Axis | None:
        """An axis whose choices take the first, the second ... value of each of several paths."""
        columns = self._entries(group, "write zip: {depth: [3, 4], block.repeats: [3, 2]}")
        lists = {path: self._values(node) for path, node in columns.items()}
        if len(lengths := {path: len(values) for path, values in lists.items() if values}) < len(lists) or not lists:
            return None
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{path} has {length}" for path, length in lengths.items())
            self.problems.append(group.problem("zip", f"its lists go together: {told}", "give each as many values"))
            return None
        rows = [
            self._together((path, values[i], columns[path]) for path, values in lists.items())
            for i in range(max(lengths.values()))
        ]
        choices = tuple(Choice("+".join(worded(s.value.plain()) for s in row), row) for row in rows)
        return Axis(",".join(lists), choices)

    def _setting(self, path: str, value: Node, written: Node) -> Setting | None:
        """A value at a path; ``written`` is the node whose key the path is."""
        try:
            location = location_of(path, written.key)
        except SpecError as error:
            self.problems += [replace(problem, path=written.path) for problem in error.problems]
            return None
        if location[0] in NOT_VARIED:
            message = f"{location[0]!r} says nothing of the network"
            self.problems.append(written.key_problem("axis", message, "vary what the network is made of"))
            return None
        if wrong := unknown(location, self.registry):
            self.problems.append(written.key_problem("unknown_path", *wrong))
            return None
        path = ".".join(location)
        return Setting(path, location, replace(value.under(path), key=written.key))

    def _values(self, node: Node) -> list[Node]:
        if isinstance(node.value, list) and node.value:
            return node.value
        given = "is empty" if isinstance(node.value, (list, dict)) else "has a single value"
        example = node.value if isinstance(node.value, (int, float, str)) and node.value != "" else "first, second"
        hint = f"write a list, [{example}], or a mapping of labels to {{path: value}}"
        self.problems.append(node.problem("axis", f"the axis {given}", hint))
        return []

    def _refuse_equal(self, values: Iterable[Node]) -> None:
        seen: set[str] = set()
        for value in values:
            if (text := repr(value.plain())) in seen:
                self.problems.append(value.problem("axis", "the axis has this value already", "delete one of the two"))
            seen.add(text)

    def _entries(self, node: Node | None, hint: str) -> Mapping[str, Node]:
        if node is None or isinstance(node.value, dict):
            return node.mapping if node else {}
        self.problems.append(node.problem("mapping", "this is a mapping of paths", hint))
        return {}
