"""Where plugins come from: entry points of distributions, the nearest pyproject.toml, and what is given by hand."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import tomllib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from unetgen import hookspecs
from unetgen.config.registry.part import Part
from unetgen.config.registry.plugin import Contributions, Plugin, Provider, normalize_distribution_name
from unetgen.errors import PluginError
from unetgen.plugins.contributions import collect_contributions, validate_part_class

DISABLE_ENV_VAR = "UNETGEN_DISABLE_PLUGINS"


def parse_disabled_names(disabled: str) -> tuple[str, ...]:
    """The names in ``UNETGEN_DISABLE_PLUGINS``: distributions with commas between them, or ``*``."""
    return tuple(name for name in map(str.strip, disabled.split(",")) if name)


def find_installed_plugins(disabled: str) -> tuple[Plugin, ...]:
    """The plugins of installed distributions, none of them imported yet."""
    off = {normalize_distribution_name(name) for name in parse_disabled_names(disabled)}
    if "*" in off:
        return ()
    found = [(point, _read_provider(point)) for point in entry_points(group=hookspecs.ENTRY_POINT_GROUP)]
    return tuple(
        Plugin(provider, f"entry point {point.name} = {point.value}", _make_loader(point, provider))
        for point, provider in found
        if not off & {normalize_distribution_name(provider.name), normalize_distribution_name(point.name)}
    )


def _read_provider(entry_point: EntryPoint) -> Provider:
    return Provider(entry_point.dist.name, entry_point.dist.version) if entry_point.dist else Provider(entry_point.name)


def _make_loader(entry_point: EntryPoint, provider: Provider) -> Any:
    return lambda: collect_contributions(entry_point.load(), provider)


# By hand


def create_plugin(source: str | type[Part]) -> Plugin:
    """The plugin of a file, a module, or a part itself. Raises PluginError where there is no such file."""
    if not isinstance(source, str):
        provider = Provider(source.__module__)
        return Plugin(provider, "given by hand", lambda: Contributions(parts=(validate_part_class(source, provider),)))
    return _create_file_plugin(Path(source)) if source.endswith(".py") else _create_module_plugin(source)


def _create_module_plugin(name: str) -> Plugin:
    provider = Provider(name)
    return Plugin(provider, name, lambda: collect_contributions(importlib.import_module(name), provider))


def _create_file_plugin(path: Path) -> Plugin:
    path = path.resolve()
    if not path.is_file():
        raise PluginError(f"plugin {path} failed to load: there is no such file; give the path of a Python file")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    provider = Provider(path.stem, f"sha256:{digest}")
    return Plugin(provider, str(path), lambda: collect_contributions(_import_file(path, digest), provider))


def _import_file(path: Path, digest: str) -> ModuleType:
    # Networks are pickled by the names of modules, so a file's is the same wherever it lies while it says the same.
    key = f"unetgen_plugin_{path.stem}_{digest}"
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, path)
    if spec is None or spec.loader is None:
        raise PluginError("it is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    if str(path.parent) not in sys.path:
        # A file may import what lies beside it, now and when its modules are made; what is installed goes before.
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    return module


# The nearest pyproject.toml


class Project(NamedTuple):
    """A pyproject.toml, and when it was last written."""

    file: Path
    modified_ns: int

    def find_plugins(self, disabled: str) -> tuple[Plugin, ...]:
        """Those of its ``[tool.unetgen] plugins``: files by their path from it, and modules."""
        if "*" in parse_disabled_names(disabled):
            return ()
        names = _read_tool_table(self.file).get("plugins", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise PluginError(f'{self.file}: [tool.unetgen] plugins is no list of files and modules; write ["a.py"]')
        found = [create_plugin(str(self.file.parent / name) if name.endswith(".py") else name) for name in names]
        off = {normalize_distribution_name(name) for name in parse_disabled_names(disabled)}
        return tuple(plugin for plugin in found if normalize_distribution_name(plugin.provider.name) not in off)


def find_project() -> Project | None:
    """The pyproject.toml of the working directory, or of the nearest folder above it that has one."""
    here = Path.cwd()
    files = (folder / "pyproject.toml" for folder in (here, *here.parents))
    file = next((file for file in files if file.is_file()), None)
    return Project(file, file.stat().st_mtime_ns) if file else None


def _read_tool_table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("unetgen", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{file}: it cannot be read as TOML: {error}; correct it") from None
    return table if isinstance(table, dict) else {}
