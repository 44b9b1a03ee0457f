"""Validate the options of a trial, which are set by ``--with NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PositiveInt, Tag, create_model

from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import from_data
from unetgen.errors import RunError
from unetgen.graph.ops.base import Size

P = ParamSpec("P")
R = TypeVar("R")

# Discriminated by the value's type, so that error messages refer to one alternative only.
SizeOption = Annotated[
    Annotated[PositiveInt, Tag("all")] | Annotated[list[PositiveInt], Field(min_length=1), Tag("each")],
    Discriminator(lambda value: "each" if isinstance(value, list) else "all"),
]
Proportion = Annotated[float, Field(gt=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0)]


def validate_options(function: Callable[P, R]) -> Callable[P, R]:
    """Validate a trial's keyword-only arguments against their annotations on each call.

    ``function.check(options)`` validates options before any trial starts.

    Args:
        function: The trial or baseline.

    Returns:
        The function, which raises RunError with all invalid options.
    """
    model = _build_options_model(function)

    def check(options: Mapping[str, Any]) -> None:
        parsed, problems = parse_model(model, from_data(options, ""))
        if parsed is None:
            raise RunError(problems)

    @wraps(function)
    def call_validated(*arguments: P.args, **options: P.kwargs) -> R:
        check(options)
        return function(*arguments, **options)

    call_validated.check = check  # type: ignore[attr-defined]  # a run calls it before its first trial
    return call_validated


def _build_options_model(function: Callable[..., Any]) -> type[BaseModel]:
    options = [p for p in signature(function, eval_str=True).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
    fields: Any = {p.name: (p.annotation, ... if p.default is Parameter.empty else p.default) for p in options}
    # A baseline ignores the options that only its trial has; the trial validates those.
    config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
    return create_model(getattr(function, "__name__", "options"), __config__=config, **fields)


def expand_per_axis(option: str, sides: int | Sequence[int], dims: int) -> Size:
    """Return a size with one number per axis.

    Args:
        option: The option's name, for the error message.
        sides: One number for all axes, or one per axis.
        dims: The number of axes.

    Raises:
        RunError: ``sides`` has the wrong length.

    Examples:
        >>> expand_per_axis("patch", 64, 2)
        (64, 64)
    """
    size = (sides,) * dims if isinstance(sides, int) else tuple(sides)
    if len(size) != dims:
        message = f"must have {dims} numbers, one per axis, not {list(size)}"
        raise RunError(f"{option}: {message}; set one number for all axes, or {dims}")
    return size
