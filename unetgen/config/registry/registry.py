"""The registry of parts: the provider of each name in each slot."""

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
    """A part and its provider."""

    part: type[Part]
    provider: Provider


PartTable = dict[str, dict[str, tuple[RegisteredPart, ...]]]


class Registry:
    """All parts by slot and name: built-in parts, and those of plugins, which are imported when needed.

    ``name`` works if a single provider has it, ``provider/name`` always. Plugins cannot replace built-in names, so a
    spec of built-in parts imports no plugin. The order of installation has no influence.

    Args:
        builtin: The built-in parts.
        discover_plugins: Returns all plugins without importing them; called at the first need.
        disabled_names: The names in ``UNETGEN_DISABLE_PLUGINS``.
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

    # Contents

    @property
    def entries(self) -> Mapping[str, Mapping[str, tuple[RegisteredPart, ...]]]:
        """All parts by slot and name."""
        self.load()
        return MappingProxyType(self._table)

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """The failures of plugins so far."""
        return tuple(self._failures)

    @cached_property
    def plugins(self) -> tuple[Plugin, ...]:
        """All plugins, imported or not, sorted by provider."""
        return tuple(sorted(self._discover_plugins(), key=lambda plugin: (str(plugin.provider), plugin.source)))

    def iter_contributions(self, distribution: str | None = None) -> Iterator[tuple[Provider, Contributions]]:
        """Yield the contributions of all plugins, or of one distribution's; failures are recorded."""
        self.load(distribution)
        plugins = self.plugins if distribution is None else filter_by_distribution(self.plugins, distribution)
        for plugin in plugins:
            if isinstance(plugin.contributions, Contributions):
                yield plugin.provider, plugin.contributions

    def load(self, distribution: str | None = None) -> None:
        """Import all plugins, or those of one distribution, and register their parts."""
        for plugin in self.plugins if distribution is None else filter_by_distribution(self.plugins, distribution):
            if plugin in self._loaded:
                continue
            self._loaded.append(plugin)
            if isinstance(plugin.contributions, PluginFailure):
                self._failures.append(plugin.contributions)
            else:
                self._register(RegisteredPart(part, plugin.provider) for part in plugin.contributions.parts)

    def record_failure(self, failure: PluginFailure) -> None:
        """Record a failure of a plugin that was loaded."""
        self._failures.append(failure)

    def _register(self, entries: Iterable[RegisteredPart]) -> None:
        for entry in entries:
            self._providers.setdefault(entry.part, entry.provider)
            names = self._table[entry.part.slot]
            for name in _list_entry_names(entry):
                others = names.get(name, ())
                if all(entry.part is not other.part for other in others):
                    # Sorted, so that messages do not depend on the order of installation.
                    entries_of_name = sorted(
                        (*others, entry), key=lambda e: (not e.provider.is_builtin, str(e.provider))
                    )
                    names[name] = tuple(entries_of_name)

    # Lookup by name

    def find(self, slot: str, name: str) -> RegisteredPart | None:
        """Return the part of a name; None if it is unknown or ambiguous."""
        candidates = self._table[slot].get(name, ())
        if not (candidates and candidates[0].provider.is_builtin):
            vendor, slash, _ = name.partition("/")
            self.load(vendor if slash else None)
            candidates = self._table[slot].get(name, ())
        if candidates and (len(candidates) == 1 or candidates[0].provider.is_builtin):
            return candidates[0]
        return None

    def get_provider(self, part: type[Part]) -> Provider:
        """Return the provider of a registered part."""
        return self._providers[part]

    def format_provider(self, part: type[Part]) -> str:
        """Return the plugin of a part as text; empty for a built-in or unregistered part."""
        provider = self._providers.get(part)
        return str(provider) if provider is not None and not provider.is_builtin else ""

    def list_names(self, slot: str) -> list[str]:
        """Return the unqualified part names of a slot."""
        return sorted(name for name in self.entries[slot] if "/" not in name)

    def list_parts(self, slot: str) -> dict[str, RegisteredPart]:
        """Return one name for each part of a slot, unqualified if possible, built-in parts first."""
        parts: dict[str, RegisteredPart] = {}
        for name, entries in self.entries[slot].items():
            if "/" not in name and (len(entries) == 1 or entries[0].provider.is_builtin):
                parts[name] = entries[0]
        for name, entries in sorted(self.entries[slot].items()):
            if entries[0].part not in [entry.part for entry in parts.values()]:
                parts.setdefault(name, entries[0])
        return parts

    def list_options(self, slot: str, *, include_plugins: bool = False) -> list[str]:
        """Return the options of a slot's loaded parts, or with ``include_plugins`` of all its parts."""
        table = self.entries if include_plugins else self._table
        return sorted({name for entries in table[slot].values() for e in entries for name in e.part.model_fields})

    def list_accepted_names(self, slot: str) -> dict[type[Part], list[str]]:
        """Return all names that ``find`` accepts in a slot, by part; unqualified names first."""
        names: dict[type[Part], list[str]] = {}
        for name, entries in sorted(self.entries[slot].items(), key=lambda item: ("/" in item[0], item[0])):
            if len(entries) == 1 or entries[0].provider.is_builtin:
                names.setdefault(entries[0].part, []).append(name)
        return names

    def explain_missing(self, slot: str, name: str) -> tuple[str, str]:
        """Explain why ``find`` returns None for a name.

        Returns:
            The message and the hint of a problem.
        """
        candidates = self.entries[slot].get(name, ())
        if len(candidates) > 1:
            providers = " and ".join(str(entry.provider) for entry in candidates)
            names = " or ".join(repr(f"{entry.provider.name}/{name}") for entry in candidates)
            return f"{slot} {name!r} is ambiguous: provided by {providers}", f"write {names}"
        other = next((s for s in SLOTS if s != slot and name in self.entries[s]), None)
        known = f"{SLOTS[slot].plural} are {', '.join(self.list_names(slot))}"
        if other:
            return f"{name!r} is {_choose_article(other)} {other}, not {_choose_article(slot)} {slot}", known
        if distribution := find_distribution(slot, name):
            return f"unknown {slot} {name!r}, which {distribution} provides", f"run: pip install {distribution}"
        suggestion = self._suggest_name(slot, name)
        hint = f"{suggestion} {known[0].upper()}{known[1:]}" if suggestion else f"{known}; pass your own with --plugin"
        return f"unknown {slot} {name!r}", hint

    def _suggest_name(self, slot: str, name: str) -> str:
        suggestion = did_you_mean(name, self.entries[slot])
        entry = self.find(slot, suggestion.split("'")[1]) if suggestion else None
        if entry is None or entry.provider.is_builtin:
            return suggestion
        return suggestion.replace("?", f" ({entry.provider})?")


def _list_entry_names(entry: RegisteredPart) -> list[str]:
    if entry.provider.is_builtin:
        return [entry.part.type]
    bare = entry.part.type.rsplit("/", 1)[-1]
    return [bare, f"{entry.provider.name}/{bare}"]


def _choose_article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
