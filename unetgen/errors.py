"""Everything unetgen says when it refuses.

UnetgenError
├── SpecError            the spec is wrong; carries every problem found (exit code 1)
│   └── SizeError        the spec is right, this input does not fit it (exit code 1, a ValueError)
├── PluginError          somebody's plugin failed (exit code 3)
├── FormatError          nothing writes that format (exit code 2)
├── WeightsError         a weights file does not belong to this network (exit code 1)
├── ImageError           an image file cannot be read or written (exit code 1)
├── RunError             the trials of a sweep cannot begin or go on (exit code 2)
├── PlansError           a plans file of nnU-Net and a network do not go together (exit code 1)
└── MissingExtra         an optional dependency is not installed (exit code 2, an ImportError)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command line returns."""

    OK = 0
    INVALID = 1
    USAGE = 2
    PLUGIN = 3
    INTERNAL = 4


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """A place in a text; line and column count from 1, and 0 where there is no text to point into."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (mark and key path), what, and the way out."""

    code: str
    path: str
    message: str
    hint: str = ""
    mark: SourceLocation | None = None

    def __str__(self) -> str:
        where = [text for text in (str(self.mark or ""), self.path) if text]
        what = f"{self.message}; {self.hint}" if self.hint else self.message
        return ": ".join([*where, what])

    def to_dict(self) -> dict[str, object]:
        """The problem as plain data, for ``--format json``."""
        mark = self.mark or SourceLocation("")
        place = {"file": mark.source, "line": mark.line, "column": mark.column}
        fields = asdict(self)
        del fields["mark"]
        return {**place, **fields}


class UnetgenError(Exception):
    """The base of every error that unetgen raises on purpose."""

    exit_code = ExitCode.INTERNAL


class SpecError(UnetgenError):
    """A spec that cannot be built. ``problems`` has all that was found, in the order of the file."""

    exit_code = ExitCode.INVALID

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=_source_order_key))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class SizeError(SpecError, ValueError):
    """An input that the network cannot take."""


class PluginError(UnetgenError):
    """A plugin that the spec needs failed; the original exception is the cause."""

    exit_code = ExitCode.PLUGIN


class WeightsError(UnetgenError):
    """Weights that do not belong to the network they are loaded into."""

    exit_code = ExitCode.INVALID


class ImageError(UnetgenError):
    """An image file that cannot be read, is none for this network, or cannot be written."""

    exit_code = ExitCode.INVALID


class PlansError(UnetgenError):
    """A plans file of nnU-Net that cannot be read, or that a network does not suit."""

    exit_code = ExitCode.INVALID


class RunError(UnetgenError):
    """Trials that cannot begin, or cannot go on."""

    exit_code = ExitCode.USAGE


class FormatError(UnetgenError):
    """A format that nothing writes."""

    exit_code = ExitCode.USAGE


class MissingDependencyError(UnetgenError, ImportError):
    """A feature whose optional dependency is not installed."""

    exit_code = ExitCode.USAGE

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package}, which is not installed; run: pip install 'unetgen[{extra}]'")


def format_exception_line(error: BaseException) -> str:
    """An exception in one line: ``ValueError: first second``."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"did you mean 'norm'?"``, or nothing where no known word is close."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _source_order_key(problem: Problem) -> tuple[str, int, int, str]:
    mark = problem.mark or SourceLocation("")
    return (mark.source, mark.line, mark.column, problem.path)
