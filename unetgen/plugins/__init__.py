"""Load built-in parts and plugins into a registry.

Plugins are installed distributions, entries of pyproject.toml, and files or modules that the user names. The failure of
a plugin is recorded with its cause; it raises an error only if a spec needs the plugin.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache

from unetgen import hookspecs
from unetgen.config.registry.part import Part
from unetgen.config.registry.plugin import Plugin, PluginFailure, Provider, require_contributions
from unetgen.config.registry.registry import RegisteredPart, Registry
from unetgen.plugins.contributions import collect_contributions
from unetgen.plugins.discovery import (
    DISABLE_ENV_VAR,
    Project,
    create_plugin,
    find_installed_plugins,
    find_project,
    parse_disabled_names,
)

__all__ = ["DISABLE_ENV_VAR", "STRICT_ENV_VAR", "clear_cache", "format_failure_warnings", "hookspecs", "load_registry"]

STRICT_ENV_VAR = "UNETGEN_STRICT_PLUGINS"


def load_registry(plugins: Sequence[str | type[Part]] = ()) -> Registry:
    """Return the registry of built-in parts, installed plugins, and plugins of the nearest pyproject.toml.

    Installed plugins are looked up once in a process, and imported when a spec needs them; failures are then listed in
    ``registry.failures``. With ``UNETGEN_STRICT_PLUGINS=1`` every plugin is imported at once, and the first failure is
    raised.

    Args:
        plugins: More plugins: files (``"my_blocks.py"``), modules (``"acme.blocks"``), or part classes. They are
            imported at once.

    Returns:
        The registry.

    Raises:
        PluginError: A plugin in ``plugins`` failed, or any plugin in strict mode.

    Examples:
        >>> import unetgen
        >>> unetgen.load_registry().list_names("align")
        ['crop', 'pad', 'resize', 'strict']
    """
    disabled = os.environ.get(DISABLE_ENV_VAR, "")
    if not plugins:
        return _load_default_registry(disabled, _is_strict(), find_project())
    requested = [create_plugin(name) for name in dict.fromkeys(plugins)]
    for plugin in requested:
        require_contributions(plugin)
    registry = _build_registry(disabled, find_project(), requested)
    if _is_strict():
        _require_all(registry)
    return registry


def clear_cache() -> None:
    """Look installed plugins up again at the next use."""
    _load_default_registry.cache_clear()
    _discover_plugins.cache_clear()


@lru_cache(maxsize=8)
def _load_default_registry(disabled: str, strict: bool, project: Project | None) -> Registry:
    registry = _build_registry(disabled, project, [])
    if strict:
        _require_all(registry)
    return registry


def _build_registry(disabled: str, project: Project | None, requested: Sequence[Plugin]) -> Registry:
    return Registry(
        _load_builtin_parts(),
        lambda: [*_discover_plugins(disabled, project), *requested],
        parse_disabled_names(disabled),
    )


@lru_cache(maxsize=8)
def _discover_plugins(disabled: str, project: Project | None) -> tuple[Plugin, ...]:
    return (*find_installed_plugins(disabled), *(project.find_plugins(disabled) if project else ()))


@lru_cache(maxsize=1)
def _load_builtin_parts() -> tuple[RegisteredPart, ...]:
    """Return the built-in parts, which are collected by the same hook as those of plugins."""
    from unetgen import parts

    provider = Provider("unetgen", is_builtin=True)
    return tuple(RegisteredPart(part, provider) for part in collect_contributions(parts, provider).parts)


def _is_strict() -> bool:
    return os.environ.get(STRICT_ENV_VAR, "") not in ("", "0")


def _require_all(registry: Registry) -> None:
    for plugin in registry.plugins:
        require_contributions(plugin)


def format_failure_warnings(failures: Iterable[PluginFailure]) -> list[str]:
    """Return one line for each plugin failure: the plugin, the cause, and the fix."""
    return [f"{f.message}; {_suggest_fix(f.provider)}, or set {DISABLE_ENV_VAR}={f.provider.name}" for f in failures]


def _suggest_fix(provider: Provider) -> str:
    return "correct it" if provider.is_local else "uninstall it"
