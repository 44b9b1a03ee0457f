"""Plugin: somebody's distribution, file or module, and, once somebody asks, what it gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unetgen.config.part import Part
from unetgen.errors import PluginError, UnetgenError, one_line

# What a file's version begins with.
FILE = "sha256:"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where parts come from: a distribution and its version, or a file or module given by hand.

    A file's version is the hash of what is in it; a module has none.
    """

    name: str
    version: str = ""
    builtin: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()

    @property
    def by_hand(self) -> bool:
        """Whether this is a file or a module, which nobody can install by this name."""
        return not self.version or self.version.startswith(FILE)


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin that failed, at what, and why."""

    provider: Provider
    cause: BaseException
    place: str = ""
    doing: str = "to load"

    @property
    def sentence(self) -> str:
        """Who, at what, and why: ``plugin acme-unet 1.2 failed to load: ImportError: ...``."""
        return f"plugin {self.place or self.provider} failed {self.doing}: {self}"

    def error(self, before: str = "") -> PluginError:
        """The sentence as an error with its cause, behind what made it matter."""
        error = PluginError("\n".join(filter(None, (before, self.sentence))))
        error.__cause__ = self.cause
        return error

    def __str__(self) -> str:
        # What we refuse is said in a sentence of its own; of anything else its kind is worth knowing.
        return str(self.cause) if isinstance(self.cause, UnetgenError) else one_line(self.cause)


@dataclass(frozen=True, slots=True)
class Gifts:
    """What a plugin gives: parts, folders of specs, output formats by name, and hooks to be called later."""

    parts: tuple[type[Part], ...] = ()
    specs: tuple[Path, ...] = ()
    formats: tuple[tuple[str, Callable[..., Any]], ...] = ()
    hooks: tuple[tuple[str, Callable[..., Any]], ...] = ()

    def hook(self, name: str) -> Callable[..., Any] | None:
        """What is to be called under a hook's name, with that hook's arguments by name."""
        return dict(self.hooks).get(name)


class Plugin:
    """A plugin that is imported when it is first asked for something.

    ``place`` is where it was found: its entry point, or the file or module that was given.
    """

    def __init__(self, provider: Provider, place: str, load: Callable[[], Gifts]) -> None:
        self.provider = provider
        self.place = place
        self._load = load

    @cached_property
    def gifts(self) -> Gifts | Failure:
        """What it gives, or why it gives nothing."""
        try:
            return self._load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may do anything while it is imported, sys.exit included
            return Failure(self.provider, error, self.place if self.provider.by_hand else "")


def demanded(plugin: Plugin) -> Gifts:
    """What a plugin gives that was asked for. Raises PluginError where it failed."""
    if isinstance(plugin.gifts, Failure):
        raise plugin.gifts.error()
    return plugin.gifts


def same_distribution(name: str) -> str:
    """A distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def of_distribution(plugins: Iterable[Plugin], name: str) -> list[Plugin]:
    """The plugins of one distribution, however its name is spelt."""
    wanted = same_distribution(name)
    return [plugin for plugin in plugins if same_distribution(plugin.provider.name) == wanted]
