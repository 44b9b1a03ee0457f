"""Types of options, and how one that does not fit is told at its place in the spec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from unetgen.config.registry.part import format_yaml_value

from unetgen_timm.library import UnsupportedOptionError


def _check_bool_or_name(value: Any) -> Any:
    # Of two types that do not fit the reader would be told of two mistakes.
    if isinstance(value, (bool, str)):
        return value
    what = f"{format_yaml_value(value)} is neither true, false nor the name of some weights"
    raise PydanticCustomError("pretrained", "{what}", {"what": what, "hint": "write true for timm's usual ones"})


def _sort_levels(levels: tuple[int, ...]) -> tuple[int, ...]:
    # One spelling for one meaning, so that equal networks have equal hashes.
    twice = next((level for level in levels if levels.count(level) > 1), None)
    if twice is not None:
        raise PydanticCustomError("levels", "{what}", {"what": f"level {twice} is named twice", "hint": "keep one"})
    return tuple(sorted(levels))


BoolOrName = Annotated[bool | str, BeforeValidator(_check_bool_or_name)]
Level = Annotated[int, Field(ge=0)]
Levels = Annotated[tuple[Level, ...], Field(strict=False, min_length=1), AfterValidator(_sort_levels)]
FilePath = Annotated[str, Field(min_length=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
NonNegativeCount = Annotated[int, Field(ge=0)]


@contextmanager
def translate_option_errors() -> Iterator[None]:
    """Hands what does not fit on to pydantic, which knows where it was written."""
    try:
        yield
    except UnsupportedOptionError as unfit:
        context = {"what": unfit.message, "hint": unfit.hint, "at": unfit.option}
        raise PydanticCustomError("timm", "{what}", context) from None
