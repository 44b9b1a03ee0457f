"""Define the types of options, and report unsupported ones at their position in the spec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from unetgen.config.registry.part import format_yaml_value

from unetgen_timm.library import UnsupportedOptionError


def _check_bool_or_name(value: Any) -> Any:
    # A union of two types would report an error for each of them.
    if isinstance(value, (bool, str)):
        return value
    message = f"{format_yaml_value(value)} is not true, false or the name of weights"
    raise PydanticCustomError("pretrained", "{what}", {"what": message, "hint": "write true for timm's default"})


def _sort_levels(levels: tuple[int, ...]) -> tuple[int, ...]:
    # The order does not matter, so that equal networks have equal hashes.
    repeated = next((level for level in levels if levels.count(level) > 1), None)
    if repeated is not None:
        message = f"level {repeated} is listed twice"
        raise PydanticCustomError("levels", "{what}", {"what": message, "hint": "delete one"})
    return tuple(sorted(levels))


BoolOrName = Annotated[bool | str, BeforeValidator(_check_bool_or_name)]
Level = Annotated[int, Field(ge=0)]
Levels = Annotated[tuple[Level, ...], Field(strict=False, min_length=1), AfterValidator(_sort_levels)]
FilePath = Annotated[str, Field(min_length=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
NonNegativeCount = Annotated[int, Field(ge=0)]


@contextmanager
def translate_option_errors() -> Iterator[None]:
    """Convert UnsupportedOptionError to a pydantic error, which carries the position in the spec."""
    try:
        yield
    except UnsupportedOptionError as error:
        context = {"what": error.message, "hint": error.hint, "at": error.option}
        raise PydanticCustomError("timm", "{what}", context) from None
