"""Options: what may be said of a trial by ``--with NAME=VALUE``, and what is answered where that is wrong."""

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

# Told apart by what was written, so that only what is wrong with that is said.
SizeOption = Annotated[
    Annotated[PositiveInt, Tag("all")] | Annotated[list[PositiveInt], Field(min_length=1), Tag("each")],
    Discriminator(lambda given: "each" if isinstance(given, list) else "all"),
]
Proportion = Annotated[float, Field(gt=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0)]


def validate_options(function: Callable[P, R]) -> Callable[P, R]:
    """Holds the options of a trial, its keywords, to their annotations. Raises RunError with all that is wrong.

    They can be looked at by themselves too, before any trial begins: ``function.check(options)``.
    """
    model = _build_options_model(function)

    def check(options: Mapping[str, Any]) -> None:
        held, problems = parse_model(model, from_data(options, ""))
        if held is None:
            raise RunError(problems)

    @wraps(function)
    def called(*given: P.args, **options: P.kwargs) -> R:
        check(options)
        return function(*given, **options)

    called.check = check  # type: ignore[attr-defined]  # functions have no other place for it
    return called


def _build_options_model(function: Callable[..., Any]) -> type[BaseModel]:
    said = [p for p in signature(function, eval_str=True).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
    fields: Any = {p.name: (p.annotation, ... if p.default is Parameter.empty else p.default) for p in said}
    # What a baseline does not ask for is the trial's own, which checks it.
    config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
    return create_model(getattr(function, "__name__", "options"), __config__=config, **fields)


def expand_per_axis(option: str, sides: int | Sequence[int], dims: int) -> Size:
    """A number for each axis. Raises RunError of a list that has more or fewer."""
    size = (sides,) * dims if isinstance(sides, int) else tuple(sides)
    if len(size) != dims:
        what = f"{list(size)} has {len(size)} in place of {dims}, one for each axis of the network"
        raise RunError(f"{option}: {what}; give one number for all axes, or {dims}")
    return size
