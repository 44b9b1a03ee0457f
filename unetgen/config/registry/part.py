"""Part: what may stand in a slot of a spec. Its fields are what the YAML may say."""

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
    """An option (``place``, or ``dropout.place`` of a part inside) that another option's value makes idle."""

    option: str
    because: str
    reason: str


class Trial(NamedTuple):
    """How ``unetgen.testing`` tries a part, as far as that cannot be guessed from its fields."""

    options: Mapping[str, Any] = MappingProxyType({})
    """Options that it cannot do without."""
    others: Mapping[str, Any] = MappingProxyType({})
    """For an option, another value; a mapping with the option in it has what must be set together with it."""
    untried: tuple[str, ...] = ()
    """Options that cannot be tried here: a download, say."""
    frame: Mapping[str, Any] = MappingProxyType({})
    """What the spec around it says: ``{"widths": [16, 32]}``."""


class Part(BaseModel):
    """A frozen set of options. Subclasses are the kinds of part; theirs are the parts themselves."""

    # Schemas are built when a part is first used: a spec names a dozen of the parts that exist.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    slot: ClassVar[str]
    type: ClassVar[str]
    trial: ClassVar[Trial] = Trial()

    def describe(self, names: QualifiedNames = MappingProxyType({})) -> str | dict[str, Any]:
        """The part as a spec writes it, with every option; just its name where it has no options.

        ``names`` has the full names of plugins' parts, so that they mean the same wherever they are read.
        """
        named = names.get(type(self), self.type)
        options = {name: _describe_value(getattr(self, name), names) for name in get_option_defaults(type(self))}
        return {"type": named, **options} if options else named

    def inside(self) -> Iterator[tuple[tuple[str | int, ...], Part]]:
        """The parts that stand in this one's own fields, with where: ``norm``, or the second of ``blocks``."""
        for name in get_option_defaults(type(self)):
            value = getattr(self, name)
            if isinstance(value, Part):
                yield (name,), value
            elif isinstance(value, tuple):
                yield from (((name, i), item) for i, item in enumerate(value) if isinstance(item, Part))

    def inert(self) -> list[Inert]:
        """The options that change nothing as the others stand. They must keep their defaults."""
        return []


@lru_cache(maxsize=512)
def get_option_defaults(part: type[Part]) -> Mapping[str, Any]:
    """The options of a part and what they are by default; pydantic takes its time to tell."""
    return MappingProxyType({name: field.default for name, field in part.model_fields.items()})


# The names of parts that are not told by their type alone.
QualifiedNames = Mapping[type[Part], str]


def _describe_value(value: Any, names: QualifiedNames) -> Any:
    if isinstance(value, Part):
        return value.describe(names)
    return [_describe_value(item, names) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class PerAxis:
    """Marks a whole number for all axes, or a list with one for each axis of the network."""

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
            what = f"a list has one number for each of the {dims} axes, this has {len(value)}"
            hint = "what varies by level goes into 'levels'"
            raise PydanticCustomError("axes", "{what}", {"what": what, "hint": hint})
        numbers = tuple(self._check_number(item) for item in value)
        # One spelling for one meaning, so that equal networks have equal hashes.
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
    """A value as YAML would write it."""
    return repr(value) if isinstance(value, str) else json.dumps(value)


# The bounds are far above anything published; they only keep a typing error from costing minutes.
Kernel = Annotated[int | tuple[int, ...], PerAxis(1, 255)]
Factor = Annotated[int | tuple[int, ...], PerAxis(1, 16)]
Amount = Annotated[int | tuple[int, ...], PerAxis(0, 255)]
Count = Annotated[int, Field(ge=1, le=64)]
Channels = Annotated[int, Field(ge=1, le=65_536)]
