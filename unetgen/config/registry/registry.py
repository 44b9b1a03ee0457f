"""The parts that there are, as a value: who provides which name in which slot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from unetgen.config.registry.known_plugins import find_distribution
from unetgen.config.registry.part import Part
from unetgen.config.registry.plugin import Contributions, Plugin, PluginFailure, Provider, filter_by_distribution
from unetgen.config.registry.slots import SLOTS
from unetgen.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class RegisteredPart:
    """One part and who provides it."""

    part: type[Part]
    provider: Provider


PartTable = dict[str, dict[str, tuple[RegisteredPart, ...]]]


class Registry:
    """Every part by slot and name: those that are built in, and those of plugins, imported when they are needed.

    ``name`` works while one provider has it, ``provider/name`` always. Built-in names are never taken over, so a
    spec of built-in parts needs no plugin, and imports none. No order of installation changes anything.
    """

    def __init__(
        self,
        builtin: Iterable[RegisteredPart],
        discover_plugins: Callable[[], Sequence[Plugin]] = tuple,
        disabled_names: Iterable[str] = (),
    ) -> None:
        self.disabled_names = tuple(disabled_names)
        self._discover_plugins = discover_plugins
        self._table: PartTable = {slot: {} for slot in SLOTS}
        self._providers: dict[type[Part], Provider] = {}
        self._loaded: list[Plugin] = []
        self._failures: list[PluginFailure] = []
        self._register(builtin)

    # What there is

    @property
    def entries(self) -> Mapping[str, Mapping[str, tuple[RegisteredPart, ...]]]:
        """Every part by slot and name."""
        self.load()
        return MappingProxyType(self._table)

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """The plugins that were asked for something and failed."""
        return tuple(self._failures)

    @cached_property
    def plugins(self) -> tuple[Plugin, ...]:
        """Every plugin that was found, imported or not, by the name of its provider."""
        return tuple(sorted(self._discover_plugins(), key=lambda plugin: (str(plugin.provider), plugin.source)))

    def iter_contributions(self, distribution: str | None = None) -> Iterator[tuple[Provider, Contributions]]:
        """What every plugin gives, or those of one distribution; those that fail are noted."""
        self.load(distribution)
        chosen = self.plugins if distribution is None else filter_by_distribution(self.plugins, distribution)
        for plugin in chosen:
            if isinstance(plugin.contributions, Contributions):
                yield plugin.provider, plugin.contributions

    def load(self, distribution: str | None = None) -> None:
        """Imports all plugins, or those of one distribution, and enters their parts."""
        for plugin in self.plugins if distribution is None else filter_by_distribution(self.plugins, distribution):
            if plugin in self._loaded:
                continue
            self._loaded.append(plugin)
            if isinstance(plugin.contributions, PluginFailure):
                self._failures.append(plugin.contributions)
            else:
                self._register(RegisteredPart(part, plugin.provider) for part in plugin.contributions.parts)

    def record_failure(self, failure: PluginFailure) -> None:
        """Notes that a plugin has failed after it was loaded."""
        self._failures.append(failure)

    def _register(self, entries: Iterable[RegisteredPart]) -> None:
        for entry in entries:
            self._providers.setdefault(entry.part, entry.provider)
            names = self._table[entry.part.slot]
            for name in _list_entry_names(entry):
                there = names.get(name, ())
                if all(entry.part is not other.part for other in there):
                    # The order of what is said of clashing names must not be that of installation.
                    both = sorted((*there, entry), key=lambda e: (not e.provider.is_builtin, str(e.provider)))
                    names[name] = tuple(both)

    # By name

    def find(self, slot: str, name: str) -> RegisteredPart | None:
        """The part of that name; None where there is none or more than one."""
        found = self._table[slot].get(name, ())
        if not (found and found[0].provider.is_builtin):
            vendor, slash, _ = name.partition("/")
            self.load(vendor if slash else None)
            found = self._table[slot].get(name, ())
        if found and (len(found) == 1 or found[0].provider.is_builtin):
            return found[0]
        return None

    def get_provider(self, part: type[Part]) -> Provider:
        """Who provides a part of this registry."""
        return self._providers[part]

    def format_provider(self, part: type[Part]) -> str:
        """The plugin that provides a part, in words; nothing for one that is built in, or not registered."""
        provider = self._providers.get(part)
        return str(provider) if provider is not None and not provider.is_builtin else ""

    def list_names(self, slot: str) -> list[str]:
        """The names a spec can use in a slot: bare where that is enough."""
        return sorted(name for name in self.entries[slot] if "/" not in name)

    def list_parts(self, slot: str) -> dict[str, RegisteredPart]:
        """One name for each part of a slot, built-in ones first."""
        chosen: dict[str, RegisteredPart] = {}
        for name, found in self.entries[slot].items():
            if "/" not in name and (len(found) == 1 or found[0].provider.is_builtin):
                chosen[name] = found[0]
        for name, found in sorted(self.entries[slot].items()):
            if found[0].part not in [entry.part for entry in chosen.values()]:
                chosen.setdefault(name, found[0])
        return chosen

    def list_options(self, slot: str, *, include_plugins: bool = False) -> list[str]:
        """The options that the parts of a slot have: of those that are loaded, or with every plugin's."""
        table = self.entries if include_plugins else self._table
        return sorted({option for found in table[slot].values() for e in found for option in e.part.model_fields})

    def list_accepted_names(self, slot: str) -> dict[type[Part], list[str]]:
        """Every name that ``find`` knows in a slot, by the part that it finds; bare ones first."""
        found: dict[type[Part], list[str]] = {}
        for name, entries in sorted(self.entries[slot].items(), key=lambda item: ("/" in item[0], item[0])):
            if len(entries) == 1 or entries[0].provider.is_builtin:
                found.setdefault(entries[0].part, []).append(name)
        return found

    def explain_missing(self, slot: str, name: str) -> tuple[str, str]:
        """Why ``find`` found nothing: the fact, and the way out."""
        clash = self.entries[slot].get(name, ())
        if len(clash) > 1:
            who = " and ".join(str(entry.provider) for entry in clash)
            use = " or ".join(repr(f"{entry.provider.name}/{name}") for entry in clash)
            return f"{slot} {name!r} comes from {who}", f"write {use}"
        other = next((s for s in SLOTS if s != slot and name in self.entries[s]), None)
        known = f"{SLOTS[slot].plural} are {', '.join(self.list_names(slot))}"
        if other:
            return f"{name!r} is {_choose_article(other)} {other}, not {_choose_article(slot)} {slot}", known
        if distribution := find_distribution(slot, name):
            return f"unknown {slot} {name!r}", f"it comes with {distribution}; run: pip install {distribution}"
        hint = self._suggest_name(slot, name)
        way = f"{hint} {known[0].upper()}{known[1:]}" if hint else f"{known}; one of your own comes with --plugin"
        return f"unknown {slot} {name!r}", way

    def _suggest_name(self, slot: str, name: str) -> str:
        hint = did_you_mean(name, self.entries[slot])
        found = self.find(slot, hint.split("'")[1]) if hint else None
        if found is None or found.provider.is_builtin:
            return hint
        return hint.replace("?", f" ({found.provider})?")


def _list_entry_names(entry: RegisteredPart) -> list[str]:
    if entry.provider.is_builtin:
        return [entry.part.type]
    bare = entry.part.type.rsplit("/", 1)[-1]
    return [bare, f"{entry.provider.name}/{bare}"]


def _choose_article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
