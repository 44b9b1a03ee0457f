"""Read sweep files: a base spec, axes, conditions and a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from unetgen.ablation.sweeps.axis import Axis
from unetgen.ablation.sweeps.conditions.condition import Condition
from unetgen.ablation.sweeps.definition.axes import AXES_KEYS, AxesReader
from unetgen.ablation.sweeps.definition.conditions import ConditionReader
from unetgen.ablation.sweeps.definition.mode import read_mode
from unetgen.ablation.sweeps.held_size import HeldSize
from unetgen.ablation.sweeps.matching.budget import Budget, read_budget
from unetgen.ablation.sweeps.mode import SweepMode
from unetgen.config.registry.registry import Registry
from unetgen.config.spec_sources import load_named_tree
from unetgen.config.top_level import TOP_KEYS
from unetgen.config.validation import parse_model
from unetgen.config.yaml.parser import MAX_BYTES, parse_yaml, parse_yaml_bytes
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import Problem, SpecError, did_you_mean

# Invalid variants: reported with exit code 1, an error that prevents any output, or reported only.
InvalidPolicy = Literal["report", "error", "skip"]

SWEEP_KEYS = (
    "$schema",
    "name",
    "description",
    "base",
    "mode",
    *AXES_KEYS,
    "variants",
    "where",
    "match",
    "hold",
    "on_invalid",
)


class SweepFields(BaseModel):
    """The keys of a sweep file with scalar values."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    name: str = ""
    description: str = ""
    hold: HeldSize = "output"
    on_invalid: InvalidPolicy = "report"


@dataclass(frozen=True)
class SweepDefinition:
    """A parsed sweep file."""

    root: YamlNode
    name: str
    folder: Path
    """The folder that the base's path is relative to."""
    base: YamlNode
    mode: SweepMode
    axes: tuple[Axis, ...]
    conditions: tuple[Condition, ...]
    budget: Budget | None
    held_size: HeldSize
    on_invalid: InvalidPolicy

    @property
    def base_reference(self) -> str:
        """The base's name or path as written; empty if the sweep file contains the base itself."""
        base = self.root.mapping["base"].value
        return base if isinstance(base, str) else ""


def read_sweep_definition(source: str | Path | Mapping[str, Any], registry: Registry) -> SweepDefinition:
    """Parse a sweep file.

    Args:
        source: The path of a file, YAML text (with a line feed) or a mapping.
        registry: The installed parts.

    Returns:
        The parsed file, with the base spec loaded.

    Raises:
        SpecError: The file cannot be read or is invalid; has all problems.
        MissingDependencyError: The file has conditions and simpleeval is not installed.
    """
    if isinstance(source, Mapping):
        return _DefinitionReader(from_data(source, ""), Path(), registry).read_definition("sweep")
    if isinstance(source, str) and "\n" in source:
        return _DefinitionReader(parse_yaml(source, "<text>", "sweep"), Path(), registry).read_definition("sweep")
    path = Path(source)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot read {str(source)!r}: {str(error.strerror or error).lower()}"
        raise SpecError([Problem("not_found", "", message, "give the path of a sweep file")]) from None
    return _DefinitionReader(parse_yaml_bytes(raw, str(source), "sweep"), path.parent, registry).read_definition(
        path.stem
    )


class _DefinitionReader:
    def __init__(self, root: YamlNode, folder: Path, registry: Registry) -> None:
        self.root, self.folder, self.registry = root, folder, registry
        self.problems: list[Problem] = []

    def read_definition(self, default_name: str) -> SweepDefinition:
        """Parse the file; ``default_name`` is used if it has no ``name``. Raises SpecError with all problems."""
        self._refuse_spec()
        for key, node in self.root.mapping.items():
            if key not in SWEEP_KEYS:
                hint = did_you_mean(key, SWEEP_KEYS) or f"its keys are {', '.join(SWEEP_KEYS[1:])}"
                self._add_problems(node.key_problem("unknown_key", "unknown key of a sweep", hint))
        fields, problems = parse_model(SweepFields, self.root)
        mode, mode_problems = read_mode(self._get_field("mode"), "list" if self._get_field("variants") else "grid")
        self._add_problems(*problems, *mode_problems)
        base, axes = self._read_base(), self._read_axes(mode)
        conditions, budget = self._read_conditions(axes), self._read_budget(axes)
        if self.problems or fields is None:
            raise SpecError(self.problems)
        name = fields.name or default_name
        return SweepDefinition(
            self.root, name, self.folder, base, mode, axes, conditions, budget, fields.hold, fields.on_invalid
        )

    def _refuse_spec(self) -> None:
        """Raise one SpecError for a file whose keys are those of a spec."""
        keys = self.root.mapping.keys()
        if keys & set(TOP_KEYS) - set(SWEEP_KEYS) and not keys & {"base", *AXES_KEYS, "variants"}:
            source = self.root.mark.source
            base = f"base: {source}" if source.endswith((".yaml", ".yml", ".json")) else "the spec as its 'base'"
            hint = f"write {base} in a sweep file, for one network without axes"
            raise SpecError([self.root.problem("spec", "this is a spec, not a sweep", hint)])

    def _read_base(self) -> YamlNode:
        node = self._get_field("base")
        if node is None:
            hint = "add 'base: unet_paper' (a shipped spec's name or a file path)"
            self._add_problems(self.root.problem("missing", "'base' is missing", hint))
        elif not isinstance(node.value, (str, dict)):
            message = "'base' must be a spec, a spec's name or a path"
            self._add_problems(node.problem("base", message, "write base: unet_paper"))
        else:
            try:
                return load_named_tree(node, self.folder, self.registry)
            except SpecError as error:
                self._add_problems(*error.problems)
        return self.root

    def _read_axes(self, mode: SweepMode) -> tuple[Axis, ...]:
        """Parse the axes, or the list of variants as a single axis."""
        for key in ("variants",) if mode.name != "list" else AXES_KEYS:
            if node := self._get_field(key):
                message = f"{key!r} has no effect in mode {mode.name!r}"
                self._add_problems(node.key_problem("no_effect", message, f"delete {key!r}, or choose another mode"))
        reader = AxesReader(self.registry)
        if mode.name != "list":
            axes = reader.read_axes(self.root, {})
        elif node := self._get_field("variants"):
            axes = reader.read_variants(node)
        else:
            axes, hint = (), "write variants: [{}, {skip.fusion: add}]"
            self._add_problems(self.root.problem("missing", "mode 'list' needs 'variants'", hint))
        self._add_problems(*reader.problems)
        return axes

    def _read_conditions(self, axes: tuple[Axis, ...]) -> tuple[Condition, ...]:
        node = self._get_field("where")
        if node is None:
            return ()
        reader = ConditionReader(axes, self.registry)
        conditions = [reader.read_condition(item) for item in (node.value if isinstance(node.value, list) else [node])]
        self._add_problems(*reader.problems)
        return tuple(condition for condition in conditions if condition is not None)

    def _read_budget(self, axes: tuple[Axis, ...]) -> Budget | None:
        node = self._get_field("match")
        budget, problems = read_budget(node, self.registry) if node else (None, [])
        self._add_problems(*problems, *(budget.find_axis_conflicts(axes) if budget else ()))
        return budget

    def _get_field(self, key: str) -> YamlNode | None:
        return self.root.mapping.get(key)

    def _add_problems(self, *problems: Problem) -> None:
        self.problems += problems
