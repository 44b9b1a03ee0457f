"""Target: the function that carries trials out, named ``module:function`` or ``file.py:function``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from unetgen.ablation.runs.error_text import format_exception_safely
from unetgen.errors import RunError, did_you_mean

MetricDirection = Literal["higher", "lower"]

F = TypeVar("F", bound=Callable[..., Any])

# Under these names a function carries what ``trial`` says of it, and how its options are looked at by themselves.
_BETTER, _BASELINES, _CHECK = "better", "baselines", "check"


def trial(
    *, better: Mapping[str, MetricDirection] | None = None, baselines: Mapping[str, Callable[..., Any]] | None = None
) -> Callable[[F], F]:
    """Says of a trial which way its metrics are better, and what is to stand in the same table.

    A metric that is not named is better when it is higher. A baseline is called once, with the base's spec, a context
    and the trial's options, ``baseline(spec, context, **options)``, and returns metrics like a trial.
    """

    def said(function: F) -> F:
        setattr(function, _BETTER, dict(better or {}))
        setattr(function, _BASELINES, dict(baselines or {}))
        return function

    return said


def load_trial_function(name: str) -> Callable[..., Any]:
    """The function of a name. Raises RunError where there is none, with what its module failed of."""
    place, _, function = name.rpartition(":")
    if not place or not function:
        raise RunError(f"{name!r} names no trial; write module:function, or file.py:function")
    module = _import_trial_module(place, name)
    found = getattr(module, function, None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        hint = did_you_mean(function, known) or f"it has {', '.join(sorted(known)[:8]) or 'no function'}"
        raise RunError(f"{name}: {place} has no function {function!r}; {hint}")
    return found  # type: ignore[no-any-return]


def _import_trial_module(module_or_file: str, name: str) -> ModuleType:
    # What a person wrote lies where the command is given, which a console script's path leaves out.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    if module_or_file.endswith(".py") and not Path(module_or_file).is_file():
        raise RunError(f"{name}: there is no file {module_or_file}; check the path")
    try:
        return (
            _load_file_module(Path(module_or_file).resolve())
            if module_or_file.endswith(".py")
            else import_module(module_or_file)
        )
    except SystemExit as error:
        way = 'put what it does as a script under if __name__ == "__main__":'
        raise RunError(
            f"{name}: {module_or_file} ends the program when it is imported ({format_exception_safely(error)}); {way}"
        ) from error
    except Exception as error:
        # Its own name or a package's that it lies in; another is one that it imports.
        if isinstance(error, ModuleNotFoundError) and f"{module_or_file}.".startswith(f"{error.name}."):
            raise RunError(f"{name}: there is no module {module_or_file!r}; check the name, or give a file") from None
        raise RunError(
            f"{name}: {module_or_file} cannot be imported: {format_exception_safely(error)}; correct it"
        ) from error


def _load_file_module(path: Path) -> ModuleType:
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(path.stem, None)  # what is half there is not to be found
        raise
    return module


def get_metric_directions(function: Callable[..., Any]) -> dict[str, MetricDirection]:
    """Which way its metrics are better, as far as it says."""
    return dict(getattr(function, _BETTER, {}))


def get_baselines(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """What is to stand in the same table."""
    return dict(getattr(function, _BASELINES, {}))


def check_options(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raises RunError where a trial does not take its three arguments and these options, or lacks one.

    A trial that has a ``check`` of its own is asked what it says of their values.
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
            hint = did_you_mean(unknown, known) or (f"it has {', '.join(known)}" if known else "it has none")
            raise RunError(f"{name} has no option {unknown!r}; {hint}") from None
        missing = [
            p.name for p in list(signature.parameters.values())[3:]
            if p.default is p.empty and p.kind is not p.VAR_KEYWORD and p.name not in options
        ]  # fmt: skip
        if missing:
            needed = " ".join(f"--with {option}=..." for option in missing)
            raise RunError(f"{name} needs {' and '.join(map(repr, missing))}; add {needed}") from None
        raise RunError(f"{name} cannot be called as trial(model, spec, context): {error}") from None
    except ValueError:
        return  # a callable without a signature, made in C
