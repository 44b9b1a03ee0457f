"""The parts that are installed, as a value: who provides which name in which slot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from unetgen.config.part import Part
from unetgen.config.slots import SLOTS
from unetgen.errors import did_you_mean, one_line


@dataclass(frozen=True, slots=True)
class Provider:
    """Where parts come from: a distribution and its version, or, without one, a file or module given by hand."""

    name: str
    version: str = ""
    builtin: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Entry:
    """One part and who provides it."""

    part: type[Part]
    provider: Provider


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin that did not load, and why."""

    provider: Provider
    cause: BaseException

    def __str__(self) -> str:
        return one_line(self.cause)


@dataclass(frozen=True)
class Registry:
    """Every installed part by slot and name.

    ``name`` works while one provider has it, ``provider/name`` always. Built-in names are never taken over.
    """

    entries: Mapping[str, Mapping[str, tuple[Entry, ...]]]
    failures: tuple[Failure, ...] = field(default=())
    disabled: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, entries: Iterable[Entry], failures: Iterable[Failure] = (), disabled: Iterable[str] = ()) -> Registry:
        """The registry of some parts, in no particular order."""
        table: dict[str, dict[str, list[Entry]]] = {slot: {} for slot in SLOTS}
        for entry in sorted(entries, key=lambda e: (not e.provider.builtin, str(e.provider), e.part.type)):
            names = table[entry.part.slot]
            for name in _names(entry):
                if all(entry.part is not other.part for other in names.get(name, ())):
                    names.setdefault(name, []).append(entry)
        frozen = {
            slot: MappingProxyType({name: tuple(found) for name, found in names.items()})
            for slot, names in table.items()
        }
        return cls(MappingProxyType(frozen), tuple(failures), tuple(disabled))

    def find(self, slot: str, name: str) -> Entry | None:
        """The part of that name; None where there is none or more than one."""
        found = self.entries[slot].get(name, ())
        if found and (len(found) == 1 or found[0].provider.builtin):
            return found[0]
        return None

    def provider(self, part: type[Part]) -> Provider:
        """Who provides a part of this registry."""
        found = (entry for names in self.entries[part.slot].values() for entry in names if entry.part is part)
        return next(found).provider

    def loaded(self) -> set[Provider]:
        """Everybody who provides a part."""
        return {e.provider for names in self.entries.values() for found in names.values() for e in found}

    def names(self, slot: str) -> list[str]:
        """The names a spec can use in a slot: bare where that is enough."""
        return sorted(name for name in self.entries[slot] if "/" not in name)

    def parts(self, slot: str) -> dict[str, Entry]:
        """One name for each part of a slot, built-in ones first."""
        chosen: dict[str, Entry] = {}
        for name, found in self.entries[slot].items():
            if "/" not in name and (len(found) == 1 or found[0].provider.builtin):
                chosen[name] = found[0]
        for name, found in self.entries[slot].items():
            if found[0].part not in [entry.part for entry in chosen.values()]:
                chosen.setdefault(name, found[0])
        return chosen

    def explain_missing(self, slot: str, name: str) -> tuple[str, str]:
        """Why ``find`` found nothing: the fact, and the way out."""
        clash = self.entries[slot].get(name, ())
        if len(clash) > 1:
            who = " and ".join(str(entry.provider) for entry in clash)
            use = " or ".join(repr(f"{entry.provider.name}/{name}") for entry in clash)
            return f"{slot} {name!r} comes from {who}", f"write {use}"
        other = next((s for s in SLOTS if s != slot and name in self.entries[s]), None)
        known = f"{SLOTS[slot].plural} are {', '.join(self.names(slot))}"
        if other:
            return f"{name!r} is {_article(other)} {other}, not {_article(slot)} {slot}", known
        hint = did_you_mean(name, self.entries[slot])
        return f"unknown {slot} {name!r}", f"{hint} {known[0].upper()}{known[1:]}" if hint else known


def same_distribution(name: str) -> str:
    """A distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(entry: Entry) -> list[str]:
    if entry.provider.builtin:
        return [entry.part.type]
    bare = entry.part.type.rsplit("/", 1)[-1]
    return [bare, f"{entry.provider.name}/{bare}"]


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
