"""Parse the axes of a sweep file and collect all problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from unetgen.ablation.sweeps.axis import Axis, Choice, Setting, find_conflicting_locations, slugify
from unetgen.config.key_path import KeyPath, explain_unknown_path, parse_key_path
from unetgen.config.overlay import NOT_INHERITED
from unetgen.config.registry.registry import Registry
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError

# Keys that hold axes, both at the top of the file and under a label.
AXES_KEYS = ("axes", "zip")

# Descriptive keys, and keys that say how to read the others; they do not affect the network.
NON_VARIABLE_KEYS = (*NOT_INHERITED, "schema_version", "plugins")


class AxesReader:
    """Parses the axes of one sweep and collects problems."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[Problem] = []

    def read_axes(self, parent: YamlNode, taken: Mapping[KeyPath, str]) -> tuple[Axis, ...]:
        """Parse the axes in a mapping.

        Args:
            parent: The mapping with ``axes`` and ``zip``: the sweep, or a labelled choice.
            taken: The locations that enclosing axes and settings set, with the name of each.

        Returns:
            The axes that could be parsed; problems are in ``problems``.
        """
        axes: list[Axis] = []
        taken = dict(taken)
        for key, node in self._read_entries(parent.mapping.get("axes"), "write axes: {depth: [3, 4]}").items():
            axes += self._claim_axis(self._read_axis(key, node, taken), node, taken)
        groups = parent.mapping.get("zip")
        group_nodes = groups.value if groups is not None and isinstance(groups.value, list) else [groups]
        for group in group_nodes:
            if group is not None:
                axes += self._claim_axis(self._read_zip(group), group, taken)
        return tuple(axes)

    def read_variants(self, node: YamlNode) -> tuple[Axis, ...]:
        """Parse a list of variants, or a mapping of labels to variants, as a single axis."""
        variants = node.mapping or {str(number): child for number, child in enumerate(self._read_values(node))}
        choices = tuple(Choice(label, self._read_settings(child)) for label, child in variants.items())
        return (Axis("variant", choices, has_labels=bool(node.mapping), is_variant_list=True),)

    def _read_settings(self, node: YamlNode) -> tuple[Setting, ...]:
        """Parse the settings of a mapping ``{path: value}``."""
        entries = self._read_entries(node, "write {skip.fusion: add, depth: 3}")
        return self._combine_settings((path, value, value) for path, value in entries.items())

    def _combine_settings(self, assignments: Iterable[tuple[str, YamlNode, YamlNode]]) -> tuple[Setting, ...]:
        """Parse simultaneous settings from triples of path, value node and the node whose key is the path."""
        settings: list[Setting] = []
        taken: dict[KeyPath, str] = {}
        for path, value, key_node in assignments:
            setting = self._read_setting(path, value, key_node)
            if setting is not None:
                settings.append(setting)
                self._claim_locations(setting.iter_leaf_locations(), path, key_node, taken)
        return tuple(settings)

    def _claim_axis(self, axis: Axis | None, node: YamlNode, taken: dict[KeyPath, str]) -> list[Axis]:
        """Claim an axis's locations; return the axis in a list, or an empty list for None."""
        if axis is None:
            return []
        self._claim_locations(axis.leaf_locations, axis.name, node, taken)
        return [axis]

    def _claim_locations(
        self, locations: Iterable[KeyPath], name: str, node: YamlNode, taken: dict[KeyPath, str]
    ) -> None:
        """Record which axis or path sets some locations, and report those that are already set by another."""
        locations = sorted(locations)
        if (conflict := find_conflicting_locations(locations, taken)) is not None:
            location, taken_location = conflict
            message = f"{'.'.join(location)} is also set by {taken[taken_location]!r}; one of the two has no effect"
            problem = node.key_problem("axis", message, "set each path once")
            self.problems += [problem] if problem not in self.problems else []  # every row of a zip has the same one
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
        choices = tuple(Choice(slugify(s.value.to_data()), (s,)) for s in settings if s is not None)
        return Axis(name, choices) if choices else None

    def _read_labelled_choice(self, label: str, node: YamlNode, taken: Mapping[KeyPath, str]) -> Choice:
        if not isinstance(node.value, dict):
            hint = "write a list of values, or a mapping of labels to {path: value}"
            self.problems.append(node.problem("axis", f"label {label!r} must have a mapping of paths to values", hint))
            return Choice(label, ())
        settings = self._read_settings(node.without(*AXES_KEYS))
        own_locations = {leaf: label for setting in settings for leaf in setting.iter_leaf_locations()}
        return Choice(label, settings, self.read_axes(node, {**taken, **own_locations}))

    def _read_zip(self, group: YamlNode) -> Axis | None:
        """Parse an axis whose n-th choice takes the n-th value of each of several paths."""
        columns = self._read_entries(group, "write zip: {depth: [3, 4], block.repeats: [3, 2]}")
        lists = {path: self._read_values(node) for path, node in columns.items()}
        if len(lengths := {path: len(values) for path, values in lists.items() if values}) < len(lists) or not lists:
            return None
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{path} has {length}" for path, length in lengths.items())
            message = f"zipped lists must have the same length, but {counts}"
            self.problems.append(group.problem("zip", message, "give each the same number of values"))
            return None
        rows = [
            self._combine_settings((path, values[i], columns[path]) for path, values in lists.items())
            for i in range(max(lengths.values()))
        ]
        choices = tuple(Choice("+".join(slugify(s.value.to_data()) for s in row), row) for row in rows)
        return Axis(",".join(lists), choices)

    def _read_setting(self, path: str, value: YamlNode, key_node: YamlNode) -> Setting | None:
        """Parse a value at a path; ``key_node`` is the node whose key is the path."""
        try:
            location = parse_key_path(path, key_node.key_mark)
        except SpecError as error:
            self.problems += [replace(problem, path=key_node.path) for problem in error.problems]
            return None
        if location[0] in NON_VARIABLE_KEYS:
            message = f"{location[0]!r} does not affect the network"
            self.problems.append(key_node.key_problem("axis", message, "vary a setting of the network"))
            return None
        if explanation := explain_unknown_path(location, self.registry):
            self.problems.append(key_node.key_problem("unknown_path", *explanation))
            return None
        path = ".".join(location)
        return Setting(path, location, replace(value.rebase(path), key_mark=key_node.key_mark))

    def _read_values(self, node: YamlNode) -> list[YamlNode]:
        if isinstance(node.value, list) and node.value:
            return node.value
        fault = "is empty" if isinstance(node.value, (list, dict)) else "has a single value"
        example = node.value if isinstance(node.value, (int, float, str)) and node.value != "" else "first, second"
        hint = f"write a list, [{example}], or a mapping of labels to {{path: value}}"
        self.problems.append(node.problem("axis", f"the axis {fault}", hint))
        return []

    def _reject_duplicates(self, values: Iterable[YamlNode]) -> None:
        seen: set[str] = set()
        for value in values:
            if (text := repr(value.to_data())) in seen:
                self.problems.append(value.problem("axis", "the axis already has this value", "delete one of the two"))
            seen.add(text)

    def _read_entries(self, node: YamlNode | None, hint: str) -> Mapping[str, YamlNode]:
        if node is None or isinstance(node.value, dict):
            return node.mapping if node else {}
        self.problems.append(node.problem("mapping", "this must be a mapping of paths to values", hint))
        return {}
