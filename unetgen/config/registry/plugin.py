"""A plugin (a distribution, file or module), its contributions, and its failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unetgen.config.registry.part import Part
from unetgen.errors import PluginError, Problem, UnetgenError, format_exception_line

# The prefix of a file's version, which is a hash of its contents.
FILE_VERSION_PREFIX = "sha256:"


@dataclass(frozen=True, slots=True)
class Provider:
    """The source of parts: a distribution and its version, or a file or module that the user names.

    A file's version is a hash of its contents; a module has no version.
    """

    name: str
    version: str = ""
    is_builtin: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()

    @property
    def is_local(self) -> bool:
        """Whether this is a file or a module, which cannot be installed by this name."""
        return not self.version or self.version.startswith(FILE_VERSION_PREFIX)


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin that failed, its activity at the time, and the cause."""

    provider: Provider
    cause: BaseException
    source: str = ""
    activity: str = "to load"

    @property
    def message(self) -> str:
        """The failure as a sentence: ``plugin acme-unet 1.2 failed to load: ImportError: ...``."""
        return f"plugin {self.source or self.provider} failed {self.activity}: {self}"

    def to_error(self, preamble: Problem | None = None) -> PluginError:
        """Return the failure as an error with its cause, after the problem that it explains."""
        # Only a message of unetgen's own ends with a hint.
        has_hint = isinstance(self.cause, UnetgenError)
        problem = (
            Problem.from_sentence(PluginError.code, self.message)
            if has_hint
            else Problem(PluginError.code, "", self.message)
        )
        error = PluginError([preamble, problem] if preamble else problem, provider=str(self.provider))
        error.__cause__ = self.cause
        return error

    def __str__(self) -> str:
        # An error of unetgen is a sentence of its own; for any other exception the type is useful too.
        return str(self.cause) if isinstance(self.cause, UnetgenError) else format_exception_line(self.cause)


@dataclass(frozen=True, slots=True)
class Contributions:
    """The contributions of a plugin: parts, folders of specs, output formats by name, and callback hooks by name."""

    parts: tuple[type[Part], ...] = ()
    spec_folders: tuple[Path, ...] = ()
    formats: tuple[tuple[str, Callable[..., Any]], ...] = ()
    hooks: tuple[tuple[str, Callable[..., Any]], ...] = ()

    def find_hook(self, name: str) -> Callable[..., Any] | None:
        """Return the function of a hook, which takes the hook's arguments by name, or None."""
        return dict(self.hooks).get(name)


class Plugin:
    """A plugin that is imported when its contributions are first read.

    ``source`` is its entry point, or the file or module that the user named.
    """

    def __init__(self, provider: Provider, source: str, load: Callable[[], Contributions]) -> None:
        self.provider = provider
        self.source = source
        self._load = load

    @cached_property
    def contributions(self) -> Contributions | PluginFailure:
        """The plugin's contributions, or its failure to load."""
        try:
            return self._load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an import may raise anything, SystemExit included
            return PluginFailure(self.provider, error, self.source if self.provider.is_local else "")


def require_contributions(plugin: Plugin) -> Contributions:
    """Return the contributions of a plugin that the user named. Raises PluginError if it failed to load."""
    if isinstance(plugin.contributions, PluginFailure):
        raise plugin.contributions.to_error()
    return plugin.contributions


def normalize_distribution_name(name: str) -> str:
    """Return the normalized name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def filter_by_distribution(plugins: Iterable[Plugin], name: str) -> list[Plugin]:
    """Return the plugins of one distribution, whatever the spelling of its name."""
    normalized = normalize_distribution_name(name)
    return [plugin for plugin in plugins if normalize_distribution_name(plugin.provider.name) == normalized]
