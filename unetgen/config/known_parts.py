"""KnownParts: parts that were checked before, by what a spec says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from unetgen.config.choice import Context
from unetgen.config.part import Part

# Far more than the parts of any one grid, and few enough for a sweep that never says the same twice.
MOST = 2048


class KnownPart(NamedTuple):
    """A part, and what of it comes from plugins."""

    part: Part
    foreign: tuple[type[Part], ...]


class KnownParts:
    """Parts that were accepted just as they were written.

    A spec's levels share most of what they are told, and the specs of a sweep most of their parts: who resolves many
    specs gives the same ``KnownParts`` each time, and each part is checked once. What is refused, or goes back to a
    default since it was inherited, hangs on where it is written, and is looked at in each place.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[str, Context, str], KnownPart] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def find(self, slot: str, said: Any, context: Context) -> KnownPart | None:
        """The part that was accepted for the same words."""
        # True, 1 and 1.0 are equal in Python and not in YAML; as text they differ.
        return self._parts.get((slot, context, repr(said)))

    def remember(self, slot: str, said: Any, context: Context, part: KnownPart) -> None:
        """Notes a part that was accepted as it was written."""
        if len(self._parts) >= MOST:
            self._parts.clear()
        self._parts[slot, context, repr(said)] = part


def known_part(part: Part, context: Context) -> KnownPart:
    """A part that was just checked."""
    return KnownPart(part, tuple(kind for kind in _kinds(part) if not context.registry.provider(kind).builtin))


def _kinds(part: Part) -> Iterator[type[Part]]:
    yield type(part)
    for _, inner in part.inside():
        yield from _kinds(inner)
