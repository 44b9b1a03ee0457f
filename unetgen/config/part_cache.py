"""Cache validated parts by their YAML values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from unetgen.config.part_field import ValidationContext
from unetgen.config.registry.part import Part

# More than the parts of any one grid; the limit bounds memory in sweeps that never repeat a part.
MAX_ENTRIES = 2048


class CachedPart(NamedTuple):
    """A part, and the classes in it that come from plugins."""

    part: Part
    plugin_types: tuple[type[Part], ...]


class PartCache:
    """Parts that were valid exactly as written.

    The levels of a spec share most settings, and the specs of a sweep share most parts: with one cache for all specs,
    each part is validated once. Invalid parts and parts with options reset to a default depend on their source
    location, so they are not cached.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[str, ValidationContext, str], CachedPart] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def find(self, slot: str, value: Any, context: ValidationContext) -> CachedPart | None:
        """Return the cached part of a value, or None."""
        # True, 1 and 1.0 are equal in Python but not in YAML; their reprs differ.
        return self._parts.get((slot, context, repr(value)))

    def store(self, slot: str, value: Any, context: ValidationContext, part: CachedPart) -> None:
        """Cache a part that was valid as written."""
        if len(self._parts) >= MAX_ENTRIES:
            self._parts.clear()
        self._parts[slot, context, repr(value)] = part


def make_cached_part(part: Part, context: ValidationContext) -> CachedPart:
    """Return a validated part as a cache entry."""
    return CachedPart(
        part, tuple(kind for kind in _iter_part_types(part) if not context.registry.get_provider(kind).is_builtin)
    )


def _iter_part_types(part: Part) -> Iterator[type[Part]]:
    yield type(part)
    for _, inner in part.inside():
        yield from _iter_part_types(inner)
