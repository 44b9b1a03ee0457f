"""Load the function that trials call, named ``module:function`` or ``file.py:function``, and check its options."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from unetgen.ablation.runs.error_text import format_exception_safely
from unetgen.ablation.runs.inputs.source_files import find_source_files
from unetgen.errors import RunError, did_you_mean

MetricDirection = Literal["higher", "lower"]

F = TypeVar("F", bound=Callable[..., Any])

# Attributes of a trial function: two set by ``trial``, and an optional function that checks the options.
_BETTER, _BASELINES, _CHECK = "better", "baselines", "check"

# For each imported trial module, the modification times of its source files and of the local modules that it imports.
_modification_times: WeakKeyDictionary[ModuleType, dict[Path, int]] = WeakKeyDictionary()


def trial(
    *, better: Mapping[str, MetricDirection] | None = None, baselines: Mapping[str, Callable[..., Any]] | None = None
) -> Callable[[F], F]:
    """Declare which direction of a trial's metrics is better, and its baselines.

    Args:
        better: ``"higher"`` or ``"lower"`` by metric (default: higher).
        baselines: Functions by name, for rows of the same table that are not variants. Each is called once with the
            base's spec, ``baseline(spec, context, **options)``, and returns metrics like a trial.

    Returns:
        A decorator that returns the trial function itself.

    Examples:
        >>> @trial(better={"loss": "lower"})
        ... def fit(model, spec, context, epochs=10):
        ...     return {"loss": 0.5}
        >>> fit.better
        {'loss': 'lower'}
    """

    def declare(function: F) -> F:
        setattr(function, _BETTER, dict(better or {}))
        setattr(function, _BASELINES, dict(baselines or {}))
        return function

    return declare


def load_trial_function(name: str, *, reload_changed: bool = False) -> Callable[..., Any]:
    """Return a trial function.

    Args:
        name: ``module:function`` or ``file.py:function``.
        reload_changed: Import a module again if its file, or a local module that it imports, was edited since. Trials
            of one run do not.

    Raises:
        RunError: The module cannot be imported, or has no such function.
    """
    module_or_file, _, function_name = name.rpartition(":")
    if not module_or_file or not function_name:
        raise RunError(f"{name!r} is not a trial; use module:function or file.py:function")
    module = _import_trial_module(module_or_file, name, reload_changed=reload_changed)
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        hint = did_you_mean(function_name, known) or f"it has {', '.join(sorted(known)[:8]) or 'no functions'}"
        raise RunError(f"{name}: {module_or_file} has no function {function_name!r}; {hint}")
    return function  # type: ignore[no-any-return]  # whatever the module has


def _import_trial_module(module_or_file: str, name: str, *, reload_changed: bool) -> ModuleType:
    # A console script's import path lacks the working directory.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    is_file = module_or_file.endswith(".py")
    if is_file and not Path(module_or_file).is_file():
        raise RunError(f"{name}: file not found: {module_or_file}; check the path")
    try:
        if is_file:
            return _load_file_module(Path(module_or_file).resolve(), reload_changed=reload_changed)
        if reload_changed:
            _forget_if_changed(module_or_file)
        module = import_module(module_or_file)
        _remember_times(module)
        return module
    except SystemExit as error:
        what = f"{module_or_file} exits when it is imported ({format_exception_safely(error)})"
        raise RunError(f'{name}: {what}; put its script code under if __name__ == "__main__":') from error
    except Exception as error:
        # The missing module may also be one that it imports; then the name is another.
        if isinstance(error, ModuleNotFoundError) and f"{module_or_file}.".startswith(f"{error.name}."):
            raise RunError(
                f"{name}: module not found: {module_or_file}; check the name, or use file.py:function"
            ) from None
        what = f"{module_or_file} cannot be imported: {format_exception_safely(error)}"
        raise RunError(f"{name}: {what}; fix the error") from error


def _load_file_module(path: Path, *, reload_changed: bool) -> ModuleType:
    if reload_changed:
        _forget_if_changed(path.stem)
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(path.stem, None)  # it is incomplete
        raise
    _remember_times(module)
    return module


def _remember_times(module: ModuleType) -> None:
    if module not in _modification_times:
        _modification_times[module] = _read_times(module)


def _read_times(module: ModuleType) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in find_source_files(module) if path.is_file()}


def _forget_if_changed(name: str) -> None:
    """Remove a trial's module and its local imports from ``sys.modules`` if one of their files was edited."""
    module = sys.modules.get(name)
    times = _modification_times.get(module) if module else None
    if module is None or times is None or times == _read_times(module):
        return
    invalidate_caches()
    for key, loaded in list(sys.modules.items()):
        file = getattr(loaded, "__file__", None)
        if file is not None and key != "__main__" and Path(file).resolve() in times:
            del sys.modules[key]


def get_metric_directions(function: Callable[..., Any]) -> dict[str, MetricDirection]:
    """Return the declared directions of a trial's metrics."""
    return dict(getattr(function, _BETTER, {}))


def get_baselines(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Return the declared baselines of a trial."""
    return dict(getattr(function, _BASELINES, {}))


def check_options(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Check that a trial accepts its three arguments and these options, then call its own ``check(options)``.

    Args:
        name: The trial's name, for messages.
        function: The trial function.
        options: The options by name.

    Raises:
        RunError: An option is unknown, missing or invalid.
    """
    _check_option_names(name, function, options)
    if (check := getattr(function, _CHECK, None)) is not None:
        check(options)


def _check_option_names(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
        signature.bind(None, None, None, **options)
    except TypeError as error:
        known = [parameter.name for parameter in list(signature.parameters.values())[3:]]
        unknown = next((option for option in options if option not in known), None)
        open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
        if unknown and not open_ended:
            hint = did_you_mean(unknown, known) or (f"it has {', '.join(known)}" if known else "it has no options")
            raise RunError(f"{name} has no option {unknown!r}; {hint}") from None
        missing = [
            p.name for p in list(signature.parameters.values())[3:]
            if p.default is p.empty and p.kind is not p.VAR_KEYWORD and p.name not in options
        ]  # fmt: skip
        if missing:
            needed = " ".join(f"--with {option}=..." for option in missing)
            raise RunError(f"{name} requires {' and '.join(map(repr, missing))}; add {needed}") from None
        raise RunError(f"{name} cannot be called as trial(model, spec, context): {error}") from None
    except ValueError:
        return  # a callable without a signature, written in C
