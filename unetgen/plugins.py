"""Loading plugins into a registry: built-in parts, installed distributions, and files given by hand.

A broken plugin is set aside with its cause, and never stops the tool; a spec that needs it does.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from unetgen import hookspecs
from unetgen.config.part import Part
from unetgen.config.registry import Entry, Failure, Provider, Registry, same_distribution
from unetgen.config.slots import SLOTS
from unetgen.errors import PluginError

STRICT = "UNETGEN_STRICT_PLUGINS"
DISABLE = "UNETGEN_DISABLE_PLUGINS"


def load_registry(plugins: Sequence[str] = ()) -> Registry:
    """The registry of everything installed, and of the files and modules named in ``plugins``.

    Installed plugins are looked up once in a process. A plugin that fails is in ``registry.failures``; a plugin
    given by hand that fails raises PluginError, since it was asked for.
    """
    strict = os.environ.get(STRICT, "") not in ("", "0")
    installed = _installed(os.environ.get(DISABLE, ""), strict)
    if not plugins:
        return installed
    entries = {e for names in installed.entries.values() for found in names.values() for e in found}
    for name in dict.fromkeys(_same_place(name) for name in plugins):
        provider = Provider(Path(name).stem if name.endswith(".py") else name)
        try:
            entries.update(_entries(_imported(name), provider))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise _refusal(Failure(Provider(name), error)) from error
    return Registry.of(entries, installed.failures, installed.disabled)


@lru_cache(maxsize=4)
def _installed(disabled: str, strict: bool) -> Registry:
    from unetgen import parts

    entries = list(_entries(parts, Provider("unetgen", builtin=True)))
    failures: list[Failure] = []
    for point in _entry_points(disabled):
        provider = Provider(point.dist.name if point.dist else point.name, point.dist.version if point.dist else "")
        try:
            entries += _entries(point.load(), provider)
        except BaseException as error:  # a plugin may do anything while it is imported, sys.exit included
            if isinstance(error, KeyboardInterrupt):
                raise
            failures.append(Failure(provider, error))
            if strict:
                raise _refusal(failures[-1]) from error
    return Registry.of(entries, failures, filter(None, map(str.strip, disabled.split(","))))


def _refusal(failure: Failure) -> PluginError:
    return PluginError(f"plugin {failure.provider} failed to load: {failure}")


def warn_of(failures: Iterable[Failure]) -> list[str]:
    """One line for each plugin that failed: who, why, and what to do."""
    return [
        f"plugin {failure.provider} failed to load: {failure}; uninstall it, or set {DISABLE}={failure.provider.name}"
        for failure in failures
    ]


def _entry_points(disabled: str) -> list[EntryPoint]:
    off = {same_distribution(name.strip()) for name in disabled.split(",")}
    if "*" in off:
        return []
    named = [(point.dist.name if point.dist else point.name, point) for point in entry_points(group=hookspecs.GROUP)]
    kept = [(name, p) for name, p in named if not off & {same_distribution(name), same_distribution(p.name)}]
    return [point for _, point in sorted(kept, key=lambda pair: (pair[0], pair[1].name))]


def _same_place(name: str) -> str:
    return str(Path(name).resolve()) if name.endswith(".py") else name


def _imported(name: str) -> ModuleType:
    """A module by its name, or the file at a path."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    path = Path(name).resolve()
    # Two files may have one name, and pickling a network finds its parts by module name.
    key = f"unetgen_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(key, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    spec.loader.exec_module(module)
    return module


def _entries(plugin: Any, provider: Provider) -> list[Entry]:
    """The parts one plugin registers, checked. Its manager is its own, so that it fails alone."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pluggy.PluggyWarning)
        manager.register(plugin, provider.name)
        manager.check_pending()
        if not manager.get_hookcallers(plugin):
            raise TypeError("it implements none of unetgen's hooks; they are in unetgen/hookspecs.py")
        answers = manager.hook.unetgen_parts()
    if not answers:
        raise TypeError("unetgen_parts() returned None, not a list of parts")
    registered = dict.fromkeys(_checked(part, provider) for parts in answers for part in parts)
    _refuse_twins(registered)
    return [Entry(part, provider) for part in registered]


def _refuse_twins(parts: Iterable[type[Part]]) -> None:
    seen: dict[tuple[str, str], type[Part]] = {}
    for part in parts:
        other = seen.setdefault((part.slot, part.type), part)
        if other is not part:
            kind = SLOTS[part.slot].plural
            raise TypeError(f"{other.__name__} and {part.__name__} are both {kind} called {part.type!r}")


def _checked(part: type[Part], provider: Provider) -> type[Part]:
    name = getattr(part, "__name__", repr(part))
    if not (isinstance(part, type) and issubclass(part, Part)):
        raise TypeError(f"{name} is not a Part; subclass one of the kinds in unetgen.graph.kinds")
    if getattr(part, "slot", None) not in SLOTS or not isinstance(getattr(part, "type", None), str):
        raise TypeError(f"{name} has no slot and type; subclass a kind such as Block and set type = 'my_name'")
    if inspect.isabstract(part):
        raise TypeError(f"{name} does not implement {', '.join(sorted(part.__abstractmethods__))}")
    if part.model_config.get("extra") != "forbid":
        raise TypeError(f"{name} accepts unknown options; leave extra='forbid' in its model_config")
    if not provider.builtin and part.__module__.startswith("unetgen.parts"):
        raise TypeError(f"{name} is one of unetgen's own parts; register a subclass with a name of its own")
    return part
