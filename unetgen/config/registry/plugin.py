"""Plugin: somebody's distribution, file or module, and, once somebody asks, what it gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unetgen.config.registry.part import Part
from unetgen.errors import PluginError, UnetgenError, format_exception_line

# What a file's version begins with.
FILE_VERSION_PREFIX = "sha256:"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where parts come from: a distribution and its version, or a file or module given by hand.

    A file's version is the hash of what is in it; a module has none.
    """

    name: str
    version: str = ""
    is_builtin: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()

    @property
    def is_local(self) -> bool:
        """Whether this is a file or a module, which nobody can install by this name."""
        return not self.version or self.version.startswith(FILE_VERSION_PREFIX)


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin that failed, at what, and why."""

    provider: Provider
    cause: BaseException
    source: str = ""
    activity: str = "to load"

    @property
    def message(self) -> str:
        """Who, at what, and why: ``plugin acme-unet 1.2 failed to load: ImportError: ...``."""
        return f"plugin {self.source or self.provider} failed {self.activity}: {self}"

    def to_error(self, preamble: str = "") -> PluginError:
        """The sentence as an error with its cause, behind what made it matter."""
        error = PluginError("\n".join(filter(None, (preamble, self.message))))
        error.__cause__ = self.cause
        return error

    def __str__(self) -> str:
        # What we refuse is said in a sentence of its own; of anything else its kind is worth knowing.
        return str(self.cause) if isinstance(self.cause, UnetgenError) else format_exception_line(self.cause)


@dataclass(frozen=True, slots=True)
class Contributions:
    """What a plugin gives: parts, folders of specs, output formats by name, and hooks to be called later."""

    parts: tuple[type[Part], ...] = ()
    spec_folders: tuple[Path, ...] = ()
    formats: tuple[tuple[str, Callable[..., Any]], ...] = ()
    hooks: tuple[tuple[str, Callable[..., Any]], ...] = ()

    def find_hook(self, name: str) -> Callable[..., Any] | None:
        """What is to be called under a hook's name, with that hook's arguments by name."""
        return dict(self.hooks).get(name)


class Plugin:
    """A plugin that is imported when it is first asked for something.

    ``place`` is where it was found: its entry point, or the file or module that was given.
    """

    def __init__(self, provider: Provider, source: str, load: Callable[[], Contributions]) -> None:
        self.provider = provider
        self.source = source
        self._load = load

    @cached_property
    def contributions(self) -> Contributions | PluginFailure:
        """What it gives, or why it gives nothing."""
        try:
            return self._load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may do anything while it is imported, sys.exit included
            return PluginFailure(self.provider, error, self.source if self.provider.is_local else "")


def require_contributions(plugin: Plugin) -> Contributions:
    """What a plugin gives that was asked for. Raises PluginError where it failed."""
    if isinstance(plugin.contributions, PluginFailure):
        raise plugin.contributions.to_error()
    return plugin.contributions


def normalize_distribution_name(name: str) -> str:
    """A distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def filter_by_distribution(plugins: Iterable[Plugin], name: str) -> list[Plugin]:
    """The plugins of one distribution, however its name is spelt."""
    wanted = normalize_distribution_name(name)
    return [plugin for plugin in plugins if normalize_distribution_name(plugin.provider.name) == wanted]
