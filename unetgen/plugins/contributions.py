"""What a plugin's module gives, checked, so that what is wrong with it is said when it is loaded and not later."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pluggy

from unetgen import hookspecs
from unetgen.config.registry.part import Part
from unetgen.config.registry.plugin import Contributions, Provider
from unetgen.config.registry.slots import SLOTS
from unetgen.errors import PluginError

# The hooks that are called for each network, and not once.
CALLBACK_HOOKS = ("unetgen_advice", "unetgen_model_built")


def collect_contributions(module: Any, provider: Provider) -> Contributions:
    """What a module gives by its hooks. Raises PluginError, or whatever its hooks raise."""
    _check_api_version(getattr(module, "unetgen_api", None), provider)
    hook = _register_hooks(module, provider)
    folders = _single_result(hook.unetgen_specs())
    return Contributions(
        parts=_collect_parts(hook.unetgen_parts, provider),
        spec_folders=_validate_spec_folders([folders] if isinstance(folders, (str, Path)) else folders or ()),
        formats=_validate_formats(_single_result(hook.unetgen_formats())),
        hooks=tuple(
            (name, _make_callback(getattr(hook, name)))
            for name in CALLBACK_HOOKS
            if getattr(hook, name).get_hookimpls()
        ),
    )


def _register_hooks(module: Any, provider: Provider) -> Any:
    """The module's hooks under a manager of its own, so that it fails alone, and wholly."""
    manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pluggy.PluggyWarning)
        manager.register(module, provider.name)
        manager.check_pending()
    if not manager.get_hookcallers(module):
        raise PluginError("it implements none of unetgen's hooks; they are in unetgen/hookspecs.py")
    return manager.hook


def _single_result(results: list[Any]) -> Any:
    return results[0] if results else None


def _make_callback(hook_caller: Any) -> Callable[..., Any]:
    return lambda **arguments: _single_result(hook_caller(**arguments))


def _check_api_version(required: Any, provider: Provider) -> None:
    if required is None:
        return
    if not (isinstance(required, tuple) and len(required) == 2 and all(isinstance(n, int) for n in required)):
        raise PluginError(f"its unetgen_api is {required!r}; write the two numbers it was made for, such as (1, 0)")
    have = hookspecs.API_VERSION
    if required > have:
        way = "upgrade unetgen"
    elif required[0] < have[0]:
        way = f"upgrade {provider.name}"
    else:
        return
    mine, theirs = (".".join(map(str, numbers)) for numbers in (have, required))
    raise PluginError(f"it was made for plugin API {theirs}, and unetgen {version('unetgen')} has {mine}; {way}")


def _collect_parts(hook_caller: Any, provider: Provider) -> tuple[type[Part], ...]:
    if not hook_caller.get_hookimpls():
        return ()
    answer = _single_result(hook_caller())
    if answer is None:
        raise PluginError("unetgen_parts() returned None, not a list of parts; return [MyBlock]")
    parts = tuple(dict.fromkeys(validate_part_class(part, provider) for part in answer))
    _reject_duplicates(parts)
    return parts


def _reject_duplicates(parts: Iterable[type[Part]]) -> None:
    seen: dict[tuple[str, str], type[Part]] = {}
    for part in parts:
        other = seen.setdefault((part.slot, part.type), part)
        if other is not part:
            kind = SLOTS[part.slot].plural
            names = f"{other.__name__} and {part.__name__}"
            raise PluginError(f"{names} are both {kind} called {part.type!r}; give one of them another type")


def validate_part_class(part: Any, provider: Provider) -> type[Part]:
    """A part as it may be registered. Raises PluginError."""
    name = getattr(part, "__name__", repr(part))
    if not (isinstance(part, type) and issubclass(part, Part)):
        raise PluginError(f"{name} is not a Part; subclass one of the kinds in unetgen.graph.part_types")
    if getattr(part, "slot", None) not in SLOTS or not isinstance(getattr(part, "type", None), str):
        raise PluginError(f"{name} has no slot and type; subclass a kind such as Block and set type = 'my_name'")
    if inspect.isabstract(part):
        missing = ", ".join(sorted(part.__abstractmethods__))
        raise PluginError(
            f"{name} does not implement {missing}; its kind in unetgen.graph.part_types says what that does"
        )
    if part.model_config.get("extra") != "forbid":
        raise PluginError(f"{name} accepts unknown options; leave extra='forbid' in its model_config")
    if not provider.is_builtin and part.__module__.startswith("unetgen.parts"):
        raise PluginError(f"{name} is one of unetgen's own parts; register a subclass with a name of its own")
    return part


def _validate_spec_folders(folders: Iterable[str | Path]) -> tuple[Path, ...]:
    found = tuple(Path(folder) for folder in folders)
    for folder in found:
        if not folder.is_dir():
            raise PluginError(f"unetgen_specs() names {folder}, which is no folder; ship it with the package")
    return found


def _validate_formats(formats: Mapping[str, Callable[..., Any]] | None) -> tuple[tuple[str, Callable[..., Any]], ...]:
    for name, write in (formats or {}).items():
        if not callable(write):
            raise PluginError(f"format {name!r} is no function; give one that writes (model, path)")
    return tuple((formats or {}).items())
