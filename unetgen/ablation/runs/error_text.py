"""Format an exception as one line that can be printed and stored, whatever a trial raised."""

from __future__ import annotations

import traceback
from pathlib import Path

from unetgen.errors import format_exception_line

# The log has the full message.
_MAX_LENGTH = 500


def format_exception_safely(error: BaseException) -> str:
    """Return an exception in one line, even if its own ``__str__`` raises."""
    try:
        line = format_exception_line(error)
    except Exception:
        line = f"{type(error).__name__} (its message cannot be shown)"
    return escape_unencodable(line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}...")


def format_exception_with_location(error: BaseException) -> str:
    """Return an exception in one line, with the file and line of the trial's code that raised it."""
    line = format_exception_safely(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_in_own_package(frame.filename)]
    own_frames = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    if not own_frames:
        return line
    innermost = own_frames[-1]
    return f"{line} ({escape_unencodable(Path(innermost.filename).name)}:{innermost.lineno})"


def escape_unencodable(text: str) -> str:
    """Escape what UTF-8 cannot encode: file names may contain it, a database may not."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_in_own_package(filename: str) -> bool:
    return Path(filename).parent == Path(__file__).parent
