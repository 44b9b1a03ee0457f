"""Write what a trial prints to its log file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

LOG_FILE = "log.txt"


@contextmanager
def redirect_output(file: Path) -> Iterator[None]:
    """Append the process's output to a file, that of compiled code too. Replace closed streams afterwards."""
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    streams = tuple(_ensure_writable(stream, number) for number, stream in enumerate((sys.stdout, sys.stderr), 1))
    _flush(*streams)
    saved = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(opened, number)
        yield
    finally:
        _flush(sys.stdout, sys.stderr, *streams)
        for number, descriptor in zip((1, 2), saved, strict=True):
            with suppress(OSError):  # a trial may have closed all descriptors
                os.dup2(descriptor, number)
                os.close(descriptor)
        with suppress(OSError):
            os.close(opened)
        sys.stdout, sys.stderr = (_ensure_writable(stream, number) for number, stream in enumerate(streams, 1))


@contextmanager
def tee_output(file: Path) -> Iterator[None]:
    """Append what Python code prints to a file and still show it on the current streams.

    File descriptors stay as they are, so that a debugger's prompt works.
    """
    streams = sys.stdout, sys.stderr
    with file.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as log:
        tees: Any = [_Tee(stream, log) for stream in streams]
        sys.stdout, sys.stderr = tees
        try:
            yield
        finally:
            _flush(*tees)
            sys.stdout, sys.stderr = streams


class _Tee:
    """A stream that writes to a caller's stream and to a log. Its other attributes are the caller's."""

    def __init__(self, stream: TextIO | Any, log: TextIO) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        with suppress(ValueError):  # a thread may print after the trial, when the log is closed
            self._log.write(text)
        with suppress(AttributeError, ValueError, OSError):  # the log has what the stream cannot show
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        _flush(self._stream)

    def close(self) -> None:
        """Do nothing: the caller still uses the stream."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _ensure_writable(stream: TextIO | Any, descriptor: int) -> TextIO | Any:
    """Return the stream, made to print any text, or if it is unusable another one on the same descriptor."""
    try:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        stream.flush()
        return stream
    except (AttributeError, ValueError, OSError):  # missing, closed, or without a file
        return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _flush(*streams: TextIO | Any) -> None:
    for stream in streams:
        with suppress(Exception):
            stream.flush()
