"""KnownParts: parts that were checked before, by what a spec says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from unetgen.config.part_field import ValidationContext
from unetgen.config.registry.part import Part

# Far more than the parts of any one grid, and few enough for a sweep that never says the same twice.
MAX_ENTRIES = 2048


class CachedPart(NamedTuple):
    """A part, and what of it comes from plugins."""

    part: Part
    plugin_types: tuple[type[Part], ...]


class PartCache:
    """Parts that were accepted just as they were written.

    A spec's levels share most of what they are told, and the specs of a sweep most of their parts: who resolves many
    specs gives the same ``KnownParts`` each time, and each part is checked once. What is refused, or goes back to a
    default since it was inherited, hangs on where it is written, and is looked at in each place.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[str, ValidationContext, str], CachedPart] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def find(self, slot: str, value: Any, context: ValidationContext) -> CachedPart | None:
        """The part that was accepted for the same words."""
        # True, 1 and 1.0 are equal in Python and not in YAML; as text they differ.
        return self._parts.get((slot, context, repr(value)))

    def store(self, slot: str, value: Any, context: ValidationContext, part: CachedPart) -> None:
        """Notes a part that was accepted as it was written."""
        if len(self._parts) >= MAX_ENTRIES:
            self._parts.clear()
        self._parts[slot, context, repr(value)] = part


def make_cached_part(part: Part, context: ValidationContext) -> CachedPart:
    """A part that was just checked."""
    return CachedPart(
        part, tuple(kind for kind in _iter_part_types(part) if not context.registry.get_provider(kind).is_builtin)
    )


def _iter_part_types(part: Part) -> Iterator[type[Part]]:
    yield type(part)
    for _, inner in part.inside():
        yield from _iter_part_types(inner)
