"""Sweep files: a base spec, what varies, and what the variants must be like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from unetgen.ablation.axis import Axis
from unetgen.ablation.from_yaml.axes import AXES_KEYS, AxesReader
from unetgen.ablation.from_yaml.conditions import ConditionReader
from unetgen.ablation.from_yaml.mode import mode_of
from unetgen.ablation.matching.budget import Budget, budget_of
from unetgen.ablation.mode import Mode
from unetgen.ablation.where.condition import Condition
from unetgen.config.library import tree_named
from unetgen.config.node import Node, from_data
from unetgen.config.registry import Registry
from unetgen.config.validation import model_at
from unetgen.config.yaml_source import MAX_BYTES, read, read_bytes
from unetgen.errors import Problem, SpecError, did_you_mean

# What becomes of variants that are no valid specs: told with exit code 1, reason to write nothing, or only told.
Policy = Literal["report", "error", "skip"]

KEYS = ("$schema", "name", "description", "base", "mode", *AXES_KEYS, "variants", "where", "match", "on_invalid")


class Words(BaseModel):
    """The keys of a sweep that are single words."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    name: str = ""
    description: str = ""
    on_invalid: Policy = "report"


@dataclass(frozen=True)
class SweepFile:
    """What a sweep's file says."""

    root: Node
    name: str
    folder: Path
    """What the base's path is relative to."""
    base: Node
    mode: Mode
    axes: tuple[Axis, ...]
    where: tuple[Condition, ...]
    budget: Budget | None
    on_invalid: Policy

    @property
    def base_name(self) -> str:
        """The base's name or path as it is written; nothing where it stands in the file itself."""
        written = self.root.mapping["base"].value
        return written if isinstance(written, str) else ""


def read_sweep(source: str | Path | Mapping[str, Any], registry: Registry) -> SweepFile:
    """A sweep from a file, YAML text or a mapping. Raises SpecError with every problem, and MissingExtra."""
    if isinstance(source, Mapping):
        return _Reader(from_data(source, ""), Path(), registry).file("sweep")
    if isinstance(source, str) and "\n" in source:
        return _Reader(read(source, "<text>", "sweep"), Path(), registry).file("sweep")
    path = Path(source)
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"cannot read {str(source)!r}: {str(error.strerror or error).lower()}"
        raise SpecError([Problem("not_found", "", what, "give the file of a sweep")]) from None
    return _Reader(read_bytes(raw, str(source), "sweep"), path.parent, registry).file(path.stem)


class _Reader:
    def __init__(self, root: Node, folder: Path, registry: Registry) -> None:
        self.root, self.folder, self.registry = root, folder, registry
        self.problems: list[Problem] = []

    def file(self, stem: str) -> SweepFile:
        """All of it; ``stem`` is its name where it has none of its own. Raises SpecError."""
        for key, node in self.root.mapping.items():
            if key not in KEYS:
                hint = did_you_mean(key, KEYS) or f"a sweep has {', '.join(KEYS[1:])}"
                self._refuse(node.key_problem("unknown_key", "unknown key of a sweep", hint))
        words, problems = model_at(Words, self.root)
        mode, found = mode_of(self._at("mode"), "list" if self._at("variants") else "grid")
        self._refuse(*problems, *found)
        base, axes = self._base(), self._axes(mode)
        where, budget = self._where(axes), self._budget(axes)
        if self.problems or words is None:
            raise SpecError(self.problems)
        name = words.name or stem
        return SweepFile(self.root, name, self.folder, base, mode, axes, where, budget, words.on_invalid)

    def _base(self) -> Node:
        node = self._at("base")
        if node is None:
            hint = "add 'base: unet_paper', a shipped spec's name or the path of a file"
            self._refuse(self.root.problem("missing", "'base' is missing", hint))
        elif not isinstance(node.value, (str, dict)):
            self._refuse(node.problem("base", "a base is a spec, its name or its path", "write base: unet_paper"))
        else:
            try:
                return tree_named(node, self.folder, self.registry)
            except SpecError as error:
                self._refuse(*error.problems)
        return self.root

    def _axes(self, mode: Mode) -> tuple[Axis, ...]:
        """The axes; of a list of variants the one axis that they are."""
        for key in ("variants",) if mode.name != "list" else AXES_KEYS:
            if node := self._at(key):
                message = f"it has no effect in mode {mode.name!r}"
                self._refuse(node.key_problem("no_effect", message, f"delete {key!r}, or choose another mode"))
        reader = AxesReader(self.registry)
        if mode.name != "list":
            axes = reader.axes(self.root, {})
        elif node := self._at("variants"):
            axes = reader.listed(node)
        else:
            axes, hint = (), "write variants: [{}, {skip.fusion: add}]"
            self._refuse(self.root.problem("missing", "mode 'list' needs 'variants'", hint))
        self._refuse(*reader.problems)
        return axes

    def _where(self, axes: tuple[Axis, ...]) -> tuple[Condition, ...]:
        node = self._at("where")
        if node is None:
            return ()
        reader = ConditionReader(axes, self.registry)
        conditions = [reader.condition(text) for text in (node.value if isinstance(node.value, list) else [node])]
        self._refuse(*reader.problems)
        return tuple(condition for condition in conditions if condition is not None)

    def _budget(self, axes: tuple[Axis, ...]) -> Budget | None:
        node = self._at("match")
        budget, problems = budget_of(node, self.registry) if node else (None, [])
        self._refuse(*problems, *(budget.undone(axes) if budget else ()))
        return budget

    def _at(self, key: str) -> Node | None:
        return self.root.mapping.get(key)

    def _refuse(self, *problems: Problem) -> None:
        self.problems += problems
