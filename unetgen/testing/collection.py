"""Collection: everything that a distribution, a file or a module registers, to be tried."""

from __future__ import annotations

from collections.abc import Sequence

from unetgen.config.plugin import Failure, Plugin, Provider, demanded, of_distribution
from unetgen.config.registry import Registry
from unetgen.errors import PluginError
from unetgen.plugins import load_registry
from unetgen.plugins.sources import given
from unetgen.testing.subject import Subject


def subjects_of(name: str) -> tuple[Provider, list[Subject]]:
    """The parts of a distribution, a file (``my_blocks.py``) or a module. Raises PluginError where it does not load."""
    plugins, registry = _found(name)
    parts = [part for plugin in plugins for part in demanded(plugin).parts]
    return plugins[0].provider, [Subject(part, registry) for part in dict.fromkeys(parts)]


def _found(name: str) -> tuple[Sequence[Plugin], Registry]:
    installed = [] if name.endswith(".py") else of_distribution(load_registry().plugins, name)
    if installed:
        return installed, load_registry()
    plugin = given(name)
    cause = plugin.gifts.cause if isinstance(plugin.gifts, Failure) else None
    if isinstance(cause, ModuleNotFoundError) and cause.name == name.partition(".")[0]:
        message = f"there is no distribution {name!r} with a plugin, and no module of that name"
        raise PluginError(f"{message}; install it, or give a file: ./my_blocks.py")
    demanded(plugin)
    return [plugin], load_registry([name])
