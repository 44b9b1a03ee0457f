"""Find plugins: entry points of distributions, the nearest pyproject.toml, and files, modules or classes by name."""

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
    """Return the names in ``UNETGEN_DISABLE_PLUGINS``: comma-separated distributions, or ``*``."""
    return tuple(name for name in map(str.strip, disabled.split(",")) if name)


def find_installed_plugins(disabled: str) -> tuple[Plugin, ...]:
    """Return the plugins of installed distributions without importing them."""
    disabled_names = {normalize_distribution_name(name) for name in parse_disabled_names(disabled)}
    if "*" in disabled_names:
        return ()
    entry_providers = [(point, _read_provider(point)) for point in entry_points(group=hookspecs.ENTRY_POINT_GROUP)]
    return tuple(
        Plugin(provider, f"entry point {point.name} = {point.value}", _make_loader(point, provider))
        for point, provider in entry_providers
        if not disabled_names & {normalize_distribution_name(provider.name), normalize_distribution_name(point.name)}
    )


def _read_provider(entry_point: EntryPoint) -> Provider:
    return Provider(entry_point.dist.name, entry_point.dist.version) if entry_point.dist else Provider(entry_point.name)


def _make_loader(entry_point: EntryPoint, provider: Provider) -> Any:
    return lambda: collect_contributions(entry_point.load(), provider)


# Named by the user


def create_plugin(source: str | type[Part]) -> Plugin:
    """Return the plugin of a file, a module, or a part class. Raises PluginError if the file does not exist."""
    if not isinstance(source, str):
        provider = Provider(source.__module__)
        return Plugin(
            provider, "passed in Python", lambda: Contributions(parts=(validate_part_class(source, provider),))
        )
    return _create_file_plugin(Path(source)) if source.endswith(".py") else _create_module_plugin(source)


def _create_module_plugin(name: str) -> Plugin:
    provider = Provider(name)
    return Plugin(provider, name, lambda: collect_contributions(importlib.import_module(name), provider))


def _create_file_plugin(path: Path) -> Plugin:
    path = path.resolve()
    if not path.is_file():
        raise PluginError(f"plugin {path} failed to load: file not found; check the path")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    provider = Provider(path.stem, f"sha256:{digest}")
    return Plugin(provider, str(path), lambda: collect_contributions(_import_file(path, digest), provider))


def _import_file(path: Path, digest: str) -> ModuleType:
    # Pickled networks refer to the module by name, so the name depends only on the file's name and contents.
    key = f"unetgen_plugin_{path.stem}_{digest}"
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, path)
    if spec is None or spec.loader is None:
        raise PluginError("the file is not a Python file; rename it to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    if str(path.parent) not in sys.path:
        # A file may import its neighbours, now and when its modules are built; installed modules take precedence.
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    return module


# The nearest pyproject.toml


class Project(NamedTuple):
    """A pyproject.toml and its modification time."""

    file: Path
    modified_ns: int

    def find_plugins(self, disabled: str) -> tuple[Plugin, ...]:
        """Return the plugins in ``[tool.unetgen] plugins``: files relative to pyproject.toml, and modules."""
        if "*" in parse_disabled_names(disabled):
            return ()
        names = _read_tool_table(self.file).get("plugins", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise PluginError(
                f'{self.file}: [tool.unetgen] plugins must be a list of files and modules; write ["a.py"]'
            )
        plugins = [create_plugin(str(self.file.parent / name) if name.endswith(".py") else name) for name in names]
        disabled_names = {normalize_distribution_name(name) for name in parse_disabled_names(disabled)}
        return tuple(
            plugin for plugin in plugins if normalize_distribution_name(plugin.provider.name) not in disabled_names
        )


def find_project() -> Project | None:
    """Return the pyproject.toml of the working directory, or of the nearest parent folder that has one."""
    cwd = Path.cwd()
    files = (folder / "pyproject.toml" for folder in (cwd, *cwd.parents))
    file = next((file for file in files if file.is_file()), None)
    return Project(file, file.stat().st_mtime_ns) if file else None


def _read_tool_table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("unetgen", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{file}: invalid TOML: {error}; correct it") from None
    return table if isinstance(table, dict) else {}
