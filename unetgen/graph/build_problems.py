"""Problems and failures while a graph is built, each with its location in the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from unetgen.config.registry.part import Part
from unetgen.config.spec import SlotLocation
from unetgen.errors import UnetgenError


@dataclass(frozen=True, slots=True)
class BuildProblem:
    """An option that a part rejects while it adds its ops."""

    slot_location: SlotLocation
    part: Part
    option: str
    message: str
    hint: str


class FailureLocation(NamedTuple):
    """The location of a failed build: the module's path and the slot's location."""

    path: str
    slot_location: SlotLocation


class UnknownSizeError(UnetgenError):
    """A part needs the size of a feature map, but the spec has no ``input_size``."""

    def __init__(self, location: FailureLocation) -> None:
        super().__init__(f"{location.path} needs 'input_size'")
        self.location = location
