"""Collect a plugin's hook results and validate them at load time."""

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

# The hooks that are called for each network, not once at load time.
CALLBACK_HOOKS = ("unetgen_advice", "unetgen_model_built")


def collect_contributions(module: Any, provider: Provider) -> Contributions:
    """Return what a module's hooks contribute. Raises PluginError, or any exception of the hooks."""
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
    """Return the module's hooks, registered with a plugin manager of their own: no plugin can break another."""
    manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pluggy.PluggyWarning)
        manager.register(module, provider.name)
        manager.check_pending()
    if not manager.get_hookcallers(module):
        raise PluginError("the module implements no hook; implement one of those in unetgen/hookspecs.py")
    return manager.hook


def _single_result(results: list[Any]) -> Any:
    return results[0] if results else None


def _make_callback(hook_caller: Any) -> Callable[..., Any]:
    return lambda **arguments: _single_result(hook_caller(**arguments))


def _check_api_version(required: Any, provider: Provider) -> None:
    if required is None:
        return
    if not (isinstance(required, tuple) and len(required) == 2 and all(isinstance(n, int) for n in required)):
        raise PluginError(f"unetgen_api must be two integers, not {required!r}; write for example (1, 0)")
    provided = hookspecs.API_VERSION
    if required > provided:
        hint = "upgrade unetgen"
    elif required[0] < provided[0]:
        hint = f"upgrade {provider.name}"
    else:
        return
    current, expected = (".".join(map(str, numbers)) for numbers in (provided, required))
    message = f"the plugin requires plugin API {expected}, but unetgen {version('unetgen')} has {current}"
    raise PluginError(f"{message}; {hint}")


def _collect_parts(hook_caller: Any, provider: Provider) -> tuple[type[Part], ...]:
    if not hook_caller.get_hookimpls():
        return ()
    classes = _single_result(hook_caller())
    if classes is None:
        raise PluginError("unetgen_parts() returned None, not a list of parts; return [MyBlock]")
    parts = tuple(dict.fromkeys(validate_part_class(part, provider) for part in classes))
    _reject_duplicates(parts)
    return parts


def _reject_duplicates(parts: Iterable[type[Part]]) -> None:
    seen: dict[tuple[str, str], type[Part]] = {}
    for part in parts:
        other = seen.setdefault((part.slot, part.type), part)
        if other is not part:
            names = f"{other.__name__} and {part.__name__}"
            raise PluginError(
                f"{names} are both {SLOTS[part.slot].plural} called {part.type!r}; change the type of one"
            )


def validate_part_class(part: Any, provider: Provider) -> type[Part]:
    """Return a class if it can be registered as a part. Raises PluginError otherwise."""
    name = getattr(part, "__name__", repr(part))
    if not (isinstance(part, type) and issubclass(part, Part)):
        raise PluginError(f"{name} is not a Part; subclass a base class in unetgen.graph.part_types")
    if getattr(part, "slot", None) not in SLOTS or not isinstance(getattr(part, "type", None), str):
        raise PluginError(f"{name} has no slot and type; subclass a base class such as Block and set type = 'my_name'")
    if inspect.isabstract(part):
        missing = ", ".join(sorted(part.__abstractmethods__))
        raise PluginError(f"{name} does not implement {missing}; see its base class in unetgen.graph.part_types")
    if part.model_config.get("extra") != "forbid":
        raise PluginError(f"{name} accepts unknown options; set extra='forbid' in its model_config")
    if not provider.is_builtin and part.__module__.startswith("unetgen.parts"):
        raise PluginError(f"{name} is a built-in part; register a subclass with another type")
    return part


def _validate_spec_folders(folders: Iterable[str | Path]) -> tuple[Path, ...]:
    paths = tuple(Path(folder) for folder in folders)
    for folder in paths:
        if not folder.is_dir():
            raise PluginError(
                f"unetgen_specs() returned {folder}, which is not a folder; ship the folder with the package"
            )
    return paths


def _validate_formats(formats: Mapping[str, Callable[..., Any]] | None) -> tuple[tuple[str, Callable[..., Any]], ...]:
    for name, write in (formats or {}).items():
        if not callable(write):
            raise PluginError(f"format {name!r} is not a function; return a function (model, path)")
    return tuple((formats or {}).items())
