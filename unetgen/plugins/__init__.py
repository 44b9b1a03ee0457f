"""Loading plugins into a registry: built-in parts, installed distributions, and what was given by hand.

A broken plugin is set aside with its cause, and never stops the tool; a spec that needs it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache

from unetgen import hookspecs
from unetgen.config.part import Part
from unetgen.config.plugin import Failure, Plugin, Provider, demanded
from unetgen.config.registry import Entry, Registry
from unetgen.plugins.gifts import gifts_of
from unetgen.plugins.sources import DISABLE, Project, given, installed, project, switched_off

__all__ = ["DISABLE", "STRICT", "forget", "hookspecs", "load_registry", "warn_of"]

STRICT = "UNETGEN_STRICT_PLUGINS"


def load_registry(plugins: Sequence[str | type[Part]] = ()) -> Registry:
    """The registry of everything installed, of what the nearest pyproject.toml names, and of ``plugins``.

    ``plugins`` are files, modules, or parts themselves. What is installed is looked up once in a process, and
    imported when a spec needs it; a plugin that fails then is in ``registry.failures``. A plugin given here is
    imported now, and raises PluginError where it fails, since it was asked for. With ``UNETGEN_STRICT_PLUGINS=1``
    every plugin is imported now, and every failure raised.
    """
    disabled = os.environ.get(DISABLE, "")
    if not plugins:
        return _usual(disabled, _strict(), project())
    asked = [given(name) for name in dict.fromkeys(plugins)]
    for plugin in asked:
        demanded(plugin)
    registry = _registry(disabled, project(), asked)
    if _strict():
        _demand_all(registry)
    return registry


def forget() -> None:
    """Looks installed plugins up anew when they are next asked for."""
    _usual.cache_clear()
    _found.cache_clear()


@lru_cache(maxsize=8)
def _usual(disabled: str, strict: bool, nearest: Project | None) -> Registry:
    registry = _registry(disabled, nearest, [])
    if strict:
        _demand_all(registry)
    return registry


def _registry(disabled: str, nearest: Project | None, asked: Sequence[Plugin]) -> Registry:
    return Registry(_builtin(), lambda: [*_found(disabled, nearest), *asked], switched_off(disabled))


@lru_cache(maxsize=8)
def _found(disabled: str, nearest: Project | None) -> tuple[Plugin, ...]:
    return (*installed(disabled), *(nearest.plugins(disabled) if nearest else ()))


@lru_cache(maxsize=1)
def _builtin() -> tuple[Entry, ...]:
    """Our own parts, which enter by the same hook as a stranger's."""
    from unetgen import parts

    ours = Provider("unetgen", builtin=True)
    return tuple(Entry(part, ours) for part in gifts_of(parts, ours).parts)


def _strict() -> bool:
    return os.environ.get(STRICT, "") not in ("", "0")


def _demand_all(registry: Registry) -> None:
    for plugin in registry.plugins:
        demanded(plugin)


def warn_of(failures: Iterable[Failure]) -> list[str]:
    """One line for each plugin that failed: who, why, and what to do."""
    return [f"{f.sentence}; {_remedy(f.provider)}, or set {DISABLE}={f.provider.name}" for f in failures]


def _remedy(provider: Provider) -> str:
    return "correct it" if provider.by_hand else "uninstall it"
