"""Collect the parts that a distribution, a file or a module registers, for checking."""

from __future__ import annotations

from collections.abc import Sequence

from unetgen.config.registry.plugin import (
    Plugin,
    PluginFailure,
    Provider,
    filter_by_distribution,
    require_contributions,
)
from unetgen.config.registry.registry import Registry
from unetgen.errors import PluginError
from unetgen.plugins import load_registry
from unetgen.plugins.discovery import create_plugin
from unetgen.testing.part_under_test import Subject


def collect_subjects(name: str) -> tuple[Provider, list[Subject]]:
    """Collect the parts of a plugin.

    Args:
        name: A distribution, a file (``my_blocks.py``) or a module.

    Returns:
        The provider of the parts, and the parts in the order of registration.

    Raises:
        PluginError: The plugin does not exist or fails to load.
    """
    plugins, registry = _load_plugins(name)
    parts = [part for plugin in plugins for part in require_contributions(plugin).parts]
    return plugins[0].provider, [Subject(part, registry) for part in dict.fromkeys(parts)]


def _load_plugins(name: str) -> tuple[Sequence[Plugin], Registry]:
    installed = [] if name.endswith(".py") else filter_by_distribution(load_registry().plugins, name)
    if installed:
        return installed, load_registry()
    plugin = create_plugin(name)
    cause = plugin.contributions.cause if isinstance(plugin.contributions, PluginFailure) else None
    if isinstance(cause, ModuleNotFoundError) and cause.name == name.partition(".")[0]:
        message = f"no distribution with a plugin and no module is named {name!r}"
        raise PluginError(f"{message}; install it, or pass a file: ./my_blocks.py")
    require_contributions(plugin)
    return [plugin], load_registry([name])
