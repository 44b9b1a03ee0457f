"""Log: the file that has what a trial prints."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

LOG_FILE = "log.txt"


@contextmanager
def redirect_output(file: Path) -> Iterator[None]:
    """Sends what is printed to a file, from compiled code too. Streams that were closed or replaced are put right."""
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    streams = tuple(_ensure_writable(stream, number) for number, stream in enumerate((sys.stdout, sys.stderr), 1))
    _flush(*streams)
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(opened, number)
        yield
    finally:
        _flush(sys.stdout, sys.stderr, *streams)
        for number, old in zip((1, 2), kept, strict=True):
            with suppress(OSError):  # a trial may have closed everything
                os.dup2(old, number)
                os.close(old)
        with suppress(OSError):
            os.close(opened)
        sys.stdout, sys.stderr = (_ensure_writable(stream, number) for number, stream in enumerate(streams, 1))


def _ensure_writable(stream: TextIO | Any, descriptor: int) -> TextIO | Any:
    """A stream that prints, whatever is printed: the one that is there, or another to the same place."""
    try:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        stream.flush()
        return stream
    except (AttributeError, ValueError, OSError):  # it is none, closed, or without a file
        return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _flush(*streams: TextIO | Any) -> None:
    for stream in streams:
        with suppress(Exception):
            stream.flush()
