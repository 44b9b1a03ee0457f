"""Collect the inputs of a run, and describe those that changed since."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unetgen.ablation.runs.inputs.fingerprint import (
    MISSING,
    fingerprint_data,
    fingerprint_distribution,
    fingerprint_file,
)
from unetgen.ablation.runs.inputs.source_files import find_source_files
from unetgen.config.registry.plugin import FILE_VERSION_PREFIX
from unetgen.config.spec import Spec

# The packages that compute every result.
_PACKAGES = ("unetgen", "torch")

Kind = Literal["code", "data", "distribution"]


@dataclass(frozen=True, slots=True)
class RunInput:
    """A file of code, a path of data or a distribution, with its fingerprint."""

    kind: Kind
    name: str
    """A path, relative to the run's working directory if it is in it, or the name of a distribution."""
    fingerprint: str
    variants: tuple[str, ...] = ()
    """The variants that depend on it; empty if all trials do."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunInput:
        """Return an input stored in the results database."""
        return cls(data["kind"], data["name"], data["fingerprint"], tuple(data["variants"]))

    def to_dict(self) -> dict[str, Any]:
        """Return the input as values that JSON can hold."""
        return asdict(self)

    def measure(self) -> RunInput:
        """Return the input with its present fingerprint."""
        return replace(self, fingerprint=_compute_fingerprint(self.kind, self.name))

    def affects(self, variant: str) -> bool:
        """Return whether the trials of a variant or baseline depend on this input."""
        return not self.variants or variant in self.variants

    def describe_change(self, now: RunInput) -> str:
        """Return how this input differs from its present state, as a clause."""
        if now.fingerprint == MISSING:
            return f"{self.name} is missing"
        if self.kind == "distribution":
            return f"{self.name} {self.fingerprint} became {now.fingerprint}"
        return f"{self.name} changed"


class PluginUsage:
    """Collects which modules of plugins and which installed plugins the variants of a sweep use."""

    def __init__(self) -> None:
        self._variants_by_module: dict[str, dict[str, None]] = {}
        self._variants_by_distribution: dict[str, dict[str, None]] = {}

    def add(self, variant: str, spec: Spec) -> None:
        """Add the plugins of a variant's spec."""
        for part in spec.providers:
            self._variants_by_module.setdefault(part.__module__, {})[variant] = None
        for name, _, version in (plugin.partition(" ") for plugin in spec.plugins):
            if version and not version.startswith(FILE_VERSION_PREFIX):
                self._variants_by_distribution.setdefault(name, {})[variant] = None

    def list_code(self) -> dict[str, tuple[str, ...]]:
        """Return the source files of the parts in use, with the variants that use them."""
        variants_by_file: dict[str, dict[str, None]] = {}
        for module, variants in self._variants_by_module.items():
            for file in find_source_files(sys.modules[module]):
                variants_by_file.setdefault(_shorten_path(file), {}).update(variants)
        return {file: tuple(variants) for file, variants in variants_by_file.items()}

    def list_distributions(self) -> dict[str, tuple[str, ...]]:
        """Return the installed plugins in use, with the variants that use them."""
        return {name: tuple(variants) for name, variants in self._variants_by_distribution.items()}


def collect_inputs(function: Callable[..., Any], options: Mapping[str, Any], usage: PluginUsage) -> list[RunInput]:
    """Return the inputs of a run, in the working directory where it is started.

    Args:
        function: The trial function.
        options: The options of the trial; those that are paths of existing files or directories are data.
        usage: The plugins of the variants.

    Returns:
        The files of the trial's code, the code and versions of plugins in use, the data, and the versions of unetgen
        and torch.
    """
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    trial_code = [_shorten_path(file) for file in (find_source_files(module) if module else [])]
    kinds: dict[Kind, dict[str, tuple[str, ...]]] = {
        "code": usage.list_code() | dict.fromkeys(trial_code, ()),
        "data": dict.fromkeys(_find_data_paths(options.values()), ()),
        "distribution": usage.list_distributions() | dict.fromkeys(_PACKAGES, ()),
    }
    return [
        RunInput(kind, name, _compute_fingerprint(kind, name), variants)
        for kind, names in kinds.items()
        for name, variants in names.items()
    ]


def find_changes(recorded: Sequence[RunInput]) -> list[tuple[RunInput, RunInput]]:
    """Return the inputs whose fingerprint has changed, each as it was recorded and as it is."""
    pairs = [(before, before.measure()) for before in recorded]
    return [(before, now) for before, now in pairs if before.fingerprint != now.fingerprint]


def describe_changes(changes: Iterable[tuple[RunInput, RunInput]]) -> str:
    """Return the changes as one clause: "train.py changed, acme-unet 1.2 became 1.3"."""
    return ", ".join(before.describe_change(now) for before, now in changes)


def _compute_fingerprint(kind: Kind, name: str) -> str:
    if kind == "distribution":
        return fingerprint_distribution(name)
    return fingerprint_data(Path(name)) if kind == "data" else fingerprint_file(Path(name))


def _find_data_paths(values: Iterable[Any]) -> Iterator[str]:
    """Yield the paths of existing files and directories in the values of options, also within lists and mappings."""
    for value in values:
        if isinstance(value, Mapping):
            yield from _find_data_paths(value.values())
        elif isinstance(value, (list, tuple)):
            yield from _find_data_paths(value)
        elif isinstance(value, (str, Path)) and _exists(str(value)):
            yield _shorten_path(Path(value).absolute())


def _exists(text: str) -> bool:
    """Return whether a text is the path of a file or a directory."""
    try:
        return bool(text.strip()) and Path(text).exists()
    except (OSError, ValueError):
        return False


def _shorten_path(path: Path) -> str:
    """Return a path relative to the working directory if it is in it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
