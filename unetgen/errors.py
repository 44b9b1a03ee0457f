"""All errors, warnings and exit codes of unetgen.

UnetgenError
├── SpecError                  the spec is invalid; carries every problem found (exit code 1)
│   └── SizeError              the spec is valid, but this input does not fit it (exit code 1, a ValueError)
├── PluginError                a plugin failed (exit code 3)
├── FormatError                the file format or an option of it is not supported (exit code 2)
│   └── FileWriteError         the disk failed while a file was written (exit code 5)
├── WeightsError               a weights file does not belong to this network (exit code 1)
├── ImageError                 an image file cannot be read or written (exit code 1)
├── RunError                   the trials of a sweep cannot start: wrong usage (exit code 2)
│   └── RunEnvironmentError    the disk, the results file or the cluster failed (exit code 5)
├── PlansError                 an nnU-Net plans file and a network do not fit together (exit code 1)
└── MissingDependencyError     an optional dependency is not installed (exit code 2, an ImportError)

UnetgenWarning                 base class of all warnings (a UserWarning)

Every error carries ``problems``, a tuple of ``Problem``, from which both the text for people and the JSON record for
programs are made.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, ClassVar


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    INVALID = 1
    USAGE = 2
    PLUGIN = 3
    INTERNAL = 4
    ENVIRONMENT = 5


@dataclass(frozen=True, slots=True, order=True)
class SourceLocation:
    """A position in a text; line and column count from 1, and are 0 if only the file is known."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Problem:
    """One diagnostic: a stable code, the key path, what is wrong, how to fix it, and the source location."""

    code: str
    path: str
    message: str
    hint: str = ""
    location: SourceLocation | None = None

    @classmethod
    def from_sentence(cls, code: str, sentence: str) -> Problem:
        """Split a sentence ``"message; hint"`` at its last semicolon; ``str()`` returns it unchanged.

        A text of several lines is a message with details, and is not split.
        """
        message, separator, hint = sentence.rpartition("; ")
        if not separator or "\n" in sentence:
            return cls(code, "", sentence)
        return cls(code, "", message, hint)

    def __str__(self) -> str:
        where = [text for text in (str(self.location or ""), self.path) if text]
        what = f"{self.message}; {self.hint}" if self.hint else self.message
        return ": ".join([*where, what])

    def to_dict(self) -> dict[str, object]:
        """Return the problem as plain data, for ``--format json``."""
        location = self.location or SourceLocation("")
        position = {"file": location.source, "line": location.line, "column": location.column}
        fields = asdict(self)
        del fields["location"]
        return {**position, **fields}


class UnetgenError(Exception):
    """Base class of every error that unetgen raises deliberately.

    Attributes:
        problems: Everything that is wrong, one ``Problem`` each. ``str()`` has one sentence for each.
        exit_code: The exit code of the command line for this class.
        code: The problem code of errors that are raised with a plain sentence.

    Examples:
        >>> import unetgen
        >>> try:
        ...     unetgen.load_spec("unet_paper", depth=40)
        ... except unetgen.UnetgenError as error:
        ...     print(type(error).__name__, len(error.problems), int(error.exit_code))
        SpecError 1 1
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    code: ClassVar[str] = "internal"

    problems: tuple[Problem, ...]

    def __init__(self, problems: str | Problem | Iterable[str | Problem]) -> None:
        """Create an error from sentences (``"what failed; how to fix it"``), problems, or both.

        Each line of a sentence that is not indented is a problem of its own.
        """
        items = [problems] if isinstance(problems, (str, Problem)) else list(problems)
        self.problems = tuple(dict.fromkeys(problem for item in items for problem in self._to_problems(item)))
        super().__init__(problems if isinstance(problems, str) else self.problems)

    @classmethod
    def _to_problems(cls, item: str | Problem) -> list[Problem]:
        if isinstance(item, Problem):
            return [item]
        return [Problem.from_sentence(cls.code, sentence) for sentence in _split_sentences(item)]

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses have other constructors, so pickling restores the state and calls none of them.
        return _restore_error, (type(self), self.args, dict(self.__dict__))

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data, for ``--format json``."""
        problems = [problem.to_dict() for problem in self.problems]
        return {"error": type(self).__name__, "exit_code": int(self.exit_code), "problems": problems}


class SpecError(UnetgenError):
    """A spec that cannot be built. ``problems`` are all that were found, in file order.

    Examples:
        >>> import unetgen
        >>> try:
        ...     unetgen.load_spec("unet_paper", depth=40)
        ... except unetgen.SpecError as error:
        ...     print(error.problems[0].path, "-", error.problems[0].message)
        depth - 40 is not between 1 and 12
    """

    exit_code = ExitCode.INVALID
    code = "spec"

    def __init__(self, problems: str | Problem | Iterable[str | Problem]) -> None:
        """Create an error; see ``UnetgenError``."""
        super().__init__(problems)
        self.problems = tuple(sorted(self.problems, key=_source_order_key))


class SizeError(SpecError, ValueError):
    """An input size that the network does not accept.

    Examples:
        >>> import unetgen
        >>> try:
        ...     unetgen.graph_of("unet_paper", input_size=(512, 512))
        ... except unetgen.SizeError as error:
        ...     print(error.problems[0].code)
        size
    """

    code = "size"


class PluginError(UnetgenError):
    """A plugin that failed; the original exception is the ``__cause__``.

    Attributes:
        provider: The plugin's distribution and version (``"acme-unet 1.2"``), or its file or module; empty if unknown.

    Examples:
        >>> import unetgen
        >>> error = unetgen.PluginError("plugin acme-unet failed; upgrade it", provider="acme-unet 1.2")
        >>> error.provider, error.problems[0].hint
        ('acme-unet 1.2', 'upgrade it')
    """

    exit_code = ExitCode.PLUGIN
    code = "plugin"

    def __init__(self, problems: str | Problem | Iterable[str | Problem], *, provider: str = "") -> None:
        """Create an error; see ``UnetgenError``."""
        super().__init__(problems)
        self.provider = provider

    @classmethod
    def from_failure(cls, sentence: str, provider: str = "") -> PluginError:
        """Create an error whose sentence ends with a third-party message, which is not searched for a hint."""
        problems = [Problem(cls.code, "", line) for line in _split_sentences(sentence)]
        return cls(problems, provider=provider)

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data, with the provider."""
        return {**super().to_dict(), "provider": self.provider}


class WeightsError(UnetgenError):
    """Weights that do not belong to the network they are loaded into.

    Examples:
        >>> import unetgen
        >>> error = unetgen.WeightsError("net.safetensors: file not found; check the path")
        >>> error.problems[0].message, error.problems[0].hint
        ('net.safetensors: file not found', 'check the path')
    """

    exit_code = ExitCode.INVALID
    code = "weights"


class ImageError(UnetgenError):
    """An image file that cannot be read or written, or does not fit the network."""

    exit_code = ExitCode.INVALID
    code = "image"


class PlansError(UnetgenError):
    """An nnU-Net plans file that cannot be read, or does not fit a network."""

    exit_code = ExitCode.INVALID
    code = "plans"


class RunError(UnetgenError):
    """Trials that cannot start, or cannot be resumed, as requested."""

    exit_code = ExitCode.USAGE
    code = "run"


class RunEnvironmentError(RunError):
    """A run stopped by its environment: the disk, the results file or the cluster. ``--resume`` continues it."""

    exit_code = ExitCode.ENVIRONMENT
    code = "environment"


class FormatError(UnetgenError):
    """A file format, or an option of it, that is not supported."""

    exit_code = ExitCode.USAGE
    code = "format"


class FileWriteError(FormatError):
    """A file that the disk failed to store: no space left, or an input/output error."""

    exit_code = ExitCode.ENVIRONMENT
    code = "environment"


class MissingDependencyError(UnetgenError, ImportError):
    """A feature whose optional dependency is not installed."""

    exit_code = ExitCode.USAGE
    code = "missing_dependency"

    def __init__(self, feature: str, package: str, extra: str) -> None:
        """Create an error; ``extra`` is the extra of unetgen that installs ``package``."""
        self.package, self.extra = package, extra
        super().__init__(f"{feature} needs {package}, which is not installed; run: pip install 'unetgen[{extra}]'")


class UnetgenWarning(UserWarning):
    """Base class of every warning that unetgen issues.

    Examples:
        >>> import unetgen, warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("error", unetgen.UnetgenWarning)
    """


def format_exception_line(error: BaseException) -> str:
    """Return an exception in one line: ``ValueError: first second``."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'norm'?"``, or an empty text if no known word is similar."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _source_order_key(problem: Problem) -> tuple[str, int, int, str]:
    location = problem.location or SourceLocation("")
    return (location.source, location.line, location.column, problem.path)


def _split_sentences(text: str) -> list[str]:
    """Return the sentences of a text; an indented or empty line belongs to the sentence before it."""
    sentences: list[str] = []
    for line in text.split("\n"):
        if sentences and (not line or line[0].isspace()):
            sentences[-1] += f"\n{line}"
        else:
            sentences.append(line)
    return sentences


def _restore_error(error_class: type[UnetgenError], args: tuple[Any, ...], state: Mapping[str, Any]) -> UnetgenError:
    error = error_class.__new__(error_class)
    error.args = args
    error.__dict__.update(state)
    return error
