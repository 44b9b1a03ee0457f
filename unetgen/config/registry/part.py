"""The base class of parts, which fill the slots of a spec; their fields are the options in YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Inert(NamedTuple):
    """An option that has no effect because of another option's value.

    Attributes:
        option: The option, ``place``, or of an inner part ``dropout.place``.
        because: The option that is the cause.
        reason: The reason, as the end of a sentence: ``mode 'nearest' ignores it``.

    Examples:
        >>> from unetgen.authoring import Inert
        >>> Inert("align_corners", because="mode", reason="mode 'nearest' ignores it").option
        'align_corners'
    """

    option: str
    because: str
    reason: str


class Trial(NamedTuple):
    """Options for ``unetgen.testing``, for what it cannot derive from a part's fields.

    Examples:
        >>> from unetgen.authoring import Trial
        >>> Trial(options={"groups": 2}, untried=("weights",)).untried
        ('weights',)
    """

    options: Mapping[str, Any] = MappingProxyType({})
    """Options that the part requires."""
    others: Mapping[str, Any] = MappingProxyType({})
    """By option, another value to test; a mapping that contains the option sets several options together."""
    untried: tuple[str, ...] = ()
    """Options that cannot be tested, for example downloads."""
    frame: Mapping[str, Any] = MappingProxyType({})
    """The rest of the spec: ``{"widths": [16, 32]}``."""


class Part(BaseModel):
    """A frozen set of options. Its subclasses are the base classes for each slot; their subclasses are the parts.

    Examples:
        >>> from unetgen.authoring import Activation, Part
        >>> issubclass(Activation, Part), Activation.slot
        (True, 'activation')
    """

    # Schemas are built at the first use of a part, since a spec uses only a few of them.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    slot: ClassVar[str]
    type: ClassVar[str]
    trial: ClassVar[Trial] = Trial()

    def describe(self, names: QualifiedNames = MappingProxyType({})) -> str | dict[str, Any]:
        """Return the part as a spec writes it: a mapping with every option, or the name of a part without options.

        Args:
            names: The qualified names of plugins' parts, which are unambiguous in every installation.
        """
        part_type = names.get(type(self), self.type)
        options = {name: _describe_value(getattr(self, name), names) for name in get_option_defaults(type(self))}
        return {"type": part_type, **options} if options else part_type

    def inside(self) -> Iterator[tuple[tuple[str | int, ...], Part]]:
        """Yield the parts in this part's fields, each with its location: ``("norm",)``, ``("blocks", 1)``."""
        for name in get_option_defaults(type(self)):
            value = getattr(self, name)
            if isinstance(value, Part):
                yield (name,), value
            elif isinstance(value, tuple):
                yield from (((name, i), item) for i, item in enumerate(value) if isinstance(item, Part))

    def inert(self) -> list[Inert]:
        """Return the options that have no effect with the current values; they must keep their defaults."""
        return []


@lru_cache(maxsize=512)
def get_option_defaults(part: type[Part]) -> Mapping[str, Any]:
    """Return the options of a part and their defaults (cached, since pydantic is slow to list them)."""
    return MappingProxyType({name: field.default for name, field in part.model_fields.items()})


# The qualified names of parts whose type is not unique.
QualifiedNames = Mapping[type[Part], str]


def _describe_value(value: Any, names: QualifiedNames) -> Any:
    if isinstance(value, Part):
        return value.describe(names)
    return [_describe_value(item, names) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class PerAxis:
    """Mark a field as one integer for all axes, or a list with one integer for each axis of the network."""

    minimum: int
    maximum: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [number, {"type": "array", "items": number, "minItems": 1, "maxItems": 3}]}

    def _check(self, value: Any, info: ValidationInfo) -> int | tuple[int, ...]:
        if not isinstance(value, (list, tuple)):
            return self._check_number(value)
        dims = info.context.dims if info.context else len(value)
        if len(value) != dims:
            what = f"a list needs {dims} numbers, one for each axis, not {len(value)}"
            hint = "set different values for levels in 'levels'"
            raise PydanticCustomError("axes", "{what}", {"what": what, "hint": hint})
        numbers = tuple(self._check_number(item) for item in value)
        # Equal networks have equal hashes, so each value has one form.
        return numbers[0] if len(set(numbers)) == 1 else numbers

    def _check_number(self, value: Any) -> int:
        if type(value) is not int:
            hint = "write a number, or a list such as [3, 3]"
            raise PydanticCustomError(
                "axes", "{what}", {"what": f"{format_yaml_value(value)} is not a whole number", "hint": hint}
            )
        if not self.minimum <= value <= self.maximum:
            what = f"{value} is not between {self.minimum} and {self.maximum}"
            raise PydanticCustomError("axes", "{what}", {"what": what})
        return value


def format_yaml_value(value: Any) -> str:
    """Return a scalar or a small collection in YAML syntax."""
    return repr(value) if isinstance(value, str) else json.dumps(value)


# The bounds are far above published values; they only stop typos that would cost minutes.
Kernel = Annotated[int | tuple[int, ...], PerAxis(1, 255)]
"""An option type: a kernel size from 1 to 255, one for all axes or a list with one per axis."""
Factor = Annotated[int | tuple[int, ...], PerAxis(1, 16)]
"""An option type: a factor from 1 to 16, one for all axes or a list with one per axis."""
Amount = Annotated[int | tuple[int, ...], PerAxis(0, 255)]
"""An option type: a number of pixels from 0 to 255, one for all axes or a list with one per axis."""
Count = Annotated[int, Field(ge=1, le=64)]
"""An option type: a number of layers, groups or branches from 1 to 64."""
Channels = Annotated[int, Field(ge=1, le=65_536)]
"""An option type: a number of channels from 1 to 65,536."""
