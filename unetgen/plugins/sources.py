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
from unetgen.config.part import Part
from unetgen.config.plugin import Gifts, Plugin, Provider, same_distribution
from unetgen.errors import PluginError
from unetgen.plugins.gifts import checked, gifts_of

DISABLE = "UNETGEN_DISABLE_PLUGINS"


def switched_off(disabled: str) -> tuple[str, ...]:
    """The names in ``UNETGEN_DISABLE_PLUGINS``: distributions with commas between them, or ``*``."""
    return tuple(name for name in map(str.strip, disabled.split(",")) if name)


def installed(disabled: str) -> tuple[Plugin, ...]:
    """The plugins of installed distributions, none of them imported yet."""
    off = {same_distribution(name) for name in switched_off(disabled)}
    if "*" in off:
        return ()
    found = [(point, _provider(point)) for point in entry_points(group=hookspecs.GROUP)]
    return tuple(
        Plugin(provider, f"entry point {point.name} = {point.value}", _loading(point, provider))
        for point, provider in found
        if not off & {same_distribution(provider.name), same_distribution(point.name)}
    )


def _provider(point: EntryPoint) -> Provider:
    return Provider(point.dist.name, point.dist.version) if point.dist else Provider(point.name)


def _loading(point: EntryPoint, provider: Provider) -> Any:
    return lambda: gifts_of(point.load(), provider)


# By hand


def given(plugin: str | type[Part]) -> Plugin:
    """The plugin of a file, a module, or a part itself. Raises PluginError where there is no such file."""
    if not isinstance(plugin, str):
        provider = Provider(plugin.__module__)
        return Plugin(provider, "given by hand", lambda: Gifts(parts=(checked(plugin, provider),)))
    return _file(Path(plugin)) if plugin.endswith(".py") else _module(plugin)


def _module(name: str) -> Plugin:
    provider = Provider(name)
    return Plugin(provider, name, lambda: gifts_of(importlib.import_module(name), provider))


def _file(path: Path) -> Plugin:
    path = path.resolve()
    if not path.is_file():
        raise PluginError(f"plugin {path} failed to load: there is no such file; give the path of a Python file")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    provider = Provider(path.stem, f"sha256:{digest}")
    return Plugin(provider, str(path), lambda: gifts_of(_imported(path, digest), provider))


def _imported(path: Path, digest: str) -> ModuleType:
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
    written: int

    def plugins(self, disabled: str) -> tuple[Plugin, ...]:
        """Those of its ``[tool.unetgen] plugins``: files by their path from it, and modules."""
        if "*" in switched_off(disabled):
            return ()
        names = _table(self.file).get("plugins", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise PluginError(f'{self.file}: [tool.unetgen] plugins is no list of files and modules; write ["a.py"]')
        found = [given(str(self.file.parent / name) if name.endswith(".py") else name) for name in names]
        off = {same_distribution(name) for name in switched_off(disabled)}
        return tuple(plugin for plugin in found if same_distribution(plugin.provider.name) not in off)


def project() -> Project | None:
    """The pyproject.toml of the working directory, or of the nearest folder above it that has one."""
    here = Path.cwd()
    files = (folder / "pyproject.toml" for folder in (here, *here.parents))
    file = next((file for file in files if file.is_file()), None)
    return Project(file, file.stat().st_mtime_ns) if file else None


def _table(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("unetgen", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{file}: it cannot be read as TOML: {error}; correct it") from None
    return table if isinstance(table, dict) else {}
