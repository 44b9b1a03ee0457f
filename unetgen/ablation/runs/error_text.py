"""Mishap: what an exception says, in a line that can be printed and kept, whatever a trial has made of it."""

from __future__ import annotations

import traceback
from pathlib import Path

from unetgen.errors import format_exception_line

# A line for people; the log has the rest.
_MAX_LENGTH = 500


def format_exception_safely(error: BaseException) -> str:
    """An exception in one line. It never raises, though the exception's own words may."""
    try:
        said = format_exception_line(error)
    except Exception:
        said = f"{type(error).__name__}, which cannot say what it is of"
    return escape_unencodable(said if len(said) <= _MAX_LENGTH else f"{said[:_MAX_LENGTH]}...")


def format_exception_with_location(error: BaseException) -> str:
    """The same with the place in the trial's own code."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_in_own_package(f.filename)]
    own = [f for f in frames if "site-packages" not in f.filename] or frames
    return (
        f"{format_exception_safely(error)} ({escape_unencodable(Path(own[-1].filename).name)}:{own[-1].lineno})"
        if own
        else format_exception_safely(error)
    )


def escape_unencodable(text: str) -> str:
    """A text without what UTF-8 has no letters for: names of files may hold it, a database may not."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_in_own_package(filename: str) -> bool:
    return Path(filename).parent == Path(__file__).parent
