"""A sweep's axes from the nodes that describe them, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from unetgen.ablation.sweeps.axis import Axis, Choice, Setting, find_conflicting_locations, slugify
from unetgen.config.key_path import KeyPath, explain_unknown_path, parse_key_path
from unetgen.config.overlay import NOT_INHERITED
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError

# Where axes can stand: in the sweep, and under a label.
AXES_KEYS = ("axes", "zip")

# What is said for people, and what says how the rest is to be read, makes no variants.
NON_VARIABLE_KEYS = (*NOT_INHERITED, "schema_version", "plugins")


class AxesReader:
    """Reads the axes of one sweep; remembers what is wrong."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[Problem] = []

    def read_axes(self, parent: YamlNode, taken: Mapping[KeyPath, str]) -> tuple[Axis, ...]:
        """The axes that stand in a mapping; ``taken`` has the places that the axes around them decide."""
        axes: list[Axis] = []
        taken = dict(taken)
        for key, node in self._read_entries(parent.mapping.get("axes"), "write axes: {depth: [3, 4]}").items():
            axes += self._claim_axis(self._read_axis(key, node, taken), node, taken)
        groups = parent.mapping.get("zip")
        several = groups.value if groups is not None and isinstance(groups.value, list) else [groups]
        for group in several:
            if group is not None:
                axes += self._claim_axis(self._read_zip(group), group, taken)
        return tuple(axes)

    def read_variants(self, node: YamlNode) -> tuple[Axis, ...]:
        """The one axis that a list of variants is, or a mapping of their labels."""
        variants = node.mapping or {str(number): child for number, child in enumerate(self._read_values(node))}
        choices = tuple(Choice(label, self._read_settings(child)) for label, child in variants.items())
        return (Axis("variant", choices, has_labels=bool(node.mapping), is_variant_list=True),)

    def _read_settings(self, node: YamlNode) -> tuple[Setting, ...]:
        """What ``{path: value}`` sets."""
        entries = self._read_entries(node, "write {skip.fusion: add, depth: 3}")
        return self._combine_settings((path, value, value) for path, value in entries.items())

    def _combine_settings(self, assignments: Iterable[tuple[str, YamlNode, YamlNode]]) -> tuple[Setting, ...]:
        """What is set at once: paths, their values, and the nodes whose keys the paths are."""
        settings: list[Setting] = []
        taken: dict[KeyPath, str] = {}
        for path, value, written in assignments:
            setting = self._read_setting(path, value, written)
            if setting is not None:
                settings.append(setting)
                self._claim_locations(setting.iter_leaf_locations(), path, written, taken)
        return tuple(settings)

    def _claim_axis(self, axis: Axis | None, node: YamlNode, taken: dict[KeyPath, str]) -> list[Axis]:
        """The axis, which decides what it does by itself."""
        if axis is None:
            return []
        self._claim_locations(axis.leaf_locations, axis.name, node, taken)
        return [axis]

    def _claim_locations(
        self, locations: Iterable[KeyPath], name: str, node: YamlNode, taken: dict[KeyPath, str]
    ) -> None:
        """Notes who decides about places, and refuses those that somebody decides about already."""
        locations = sorted(locations)
        if (both := find_conflicting_locations(locations, taken)) is not None:
            place, other = both
            message = f"{'.'.join(place)} is decided by {taken[other]!r} too, and one of the two has no effect"
            problem = node.key_problem("axis", message, "let each place be decided once")
            self.problems += [problem] if problem not in self.problems else []  # of every row of a group the same
        taken.update(dict.fromkeys(locations, name))

    def _read_axis(self, name: str, node: YamlNode, taken: Mapping[KeyPath, str]) -> Axis | None:
        if isinstance(node.value, dict) and node.value:
            return Axis(
                name,
                tuple(self._read_labelled_choice(k, child, taken) for k, child in node.value.items()),
                has_labels=True,
            )
        values = self._read_values(node)
        settings = [self._read_setting(name, value, node) for value in values]
        self._reject_duplicates(values)
        found = tuple(Choice(slugify(s.value.to_data()), (s,)) for s in settings if s is not None)
        return Axis(name, found) if found else None

    def _read_labelled_choice(self, label: str, node: YamlNode, taken: Mapping[KeyPath, str]) -> Choice:
        if not isinstance(node.value, dict):
            hint = "an axis is a list of values, or a mapping of labels to {path: value}"
            self.problems.append(node.problem("axis", f"the label {label!r} has no paths to set", hint))
            return Choice(label, ())
        settings = self._read_settings(node.without(*AXES_KEYS))
        decided = {leaf: label for setting in settings for leaf in setting.iter_leaf_locations()}
        return Choice(label, settings, self.read_axes(node, {**taken, **decided}))

    def _read_zip(self, group: YamlNode) -> Axis | None:
        """An axis whose choices take the first, the second ... value of each of several paths."""
        columns = self._read_entries(group, "write zip: {depth: [3, 4], block.repeats: [3, 2]}")
        lists = {path: self._read_values(node) for path, node in columns.items()}
        if len(lengths := {path: len(values) for path, values in lists.items() if values}) < len(lists) or not lists:
            return None
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{path} has {length}" for path, length in lengths.items())
            self.problems.append(group.problem("zip", f"its lists go together: {told}", "give each as many values"))
            return None
        rows = [
            self._combine_settings((path, values[i], columns[path]) for path, values in lists.items())
            for i in range(max(lengths.values()))
        ]
        choices = tuple(Choice("+".join(slugify(s.value.to_data()) for s in row), row) for row in rows)
        return Axis(",".join(lists), choices)

    def _read_setting(self, path: str, value: YamlNode, key_node: YamlNode) -> Setting | None:
        """A value at a path; ``written`` is the node whose key the path is."""
        try:
            location = parse_key_path(path, key_node.key_mark)
        except SpecError as error:
            self.problems += [replace(problem, path=key_node.path) for problem in error.problems]
            return None
        if location[0] in NON_VARIABLE_KEYS:
            message = f"{location[0]!r} says nothing of the network"
            self.problems.append(key_node.key_problem("axis", message, "vary what the network is made of"))
            return None
        if wrong := explain_unknown_path(location, self.registry):
            self.problems.append(key_node.key_problem("unknown_path", *wrong))
            return None
        path = ".".join(location)
        return Setting(path, location, replace(value.rebase(path), key_mark=key_node.key_mark))

    def _read_values(self, node: YamlNode) -> list[YamlNode]:
        if isinstance(node.value, list) and node.value:
            return node.value
        given = "is empty" if isinstance(node.value, (list, dict)) else "has a single value"
        example = node.value if isinstance(node.value, (int, float, str)) and node.value != "" else "first, second"
        hint = f"write a list, [{example}], or a mapping of labels to {{path: value}}"
        self.problems.append(node.problem("axis", f"the axis {given}", hint))
        return []

    def _reject_duplicates(self, values: Iterable[YamlNode]) -> None:
        seen: set[str] = set()
        for value in values:
            if (text := repr(value.to_data())) in seen:
                self.problems.append(value.problem("axis", "the axis has this value already", "delete one of the two"))
            seen.add(text)

    def _read_entries(self, node: YamlNode | None, hint: str) -> Mapping[str, YamlNode]:
        if node is None or isinstance(node.value, dict):
            return node.mapping if node else {}
        self.problems.append(node.problem("mapping", "this is a mapping of paths", hint))
        return {}
