"""Loading plugins into a registry: built-in parts, installed distributions, and what was given by hand.

A broken plugin is set aside with its cause, and never stops the tool; a spec that needs it does.
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
    """The registry of everything installed, of what the nearest pyproject.toml names, and of ``plugins``.

    ``plugins`` are files, modules, or parts themselves. What is installed is looked up once in a process, and
    imported when a spec needs it; a plugin that fails then is in ``registry.failures``. A plugin given here is
    imported now, and raises PluginError where it fails, since it was asked for. With ``UNETGEN_STRICT_PLUGINS=1``
    every plugin is imported now, and every failure raised.
    """
    disabled = os.environ.get(DISABLE_ENV_VAR, "")
    if not plugins:
        return _load_default_registry(disabled, _is_strict(), find_project())
    asked = [create_plugin(name) for name in dict.fromkeys(plugins)]
    for plugin in asked:
        require_contributions(plugin)
    registry = _build_registry(disabled, find_project(), asked)
    if _is_strict():
        _require_all(registry)
    return registry


def clear_cache() -> None:
    """Looks installed plugins up anew when they are next asked for."""
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
    """Our own parts, which enter by the same hook as a stranger's."""
    from unetgen import parts

    ours = Provider("unetgen", is_builtin=True)
    return tuple(RegisteredPart(part, ours) for part in collect_contributions(parts, ours).parts)


def _is_strict() -> bool:
    return os.environ.get(STRICT_ENV_VAR, "") not in ("", "0")


def _require_all(registry: Registry) -> None:
    for plugin in registry.plugins:
        require_contributions(plugin)


def format_failure_warnings(failures: Iterable[PluginFailure]) -> list[str]:
    """One line for each plugin that failed: who, why, and what to do."""
    return [f"{f.message}; {_suggest_fix(f.provider)}, or set {DISABLE_ENV_VAR}={f.provider.name}" for f in failures]


def _suggest_fix(provider: Provider) -> str:
    return "correct it" if provider.is_local else "uninstall it"
