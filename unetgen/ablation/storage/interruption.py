"""Interruption: signals that end a process at once let it close what it has open first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# What a batch system and a closed terminal send. Windows knows no SIGHUP.
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Has such signals leave by an exception, as Ctrl-C does; those that somebody heeds or ignores stay theirs."""
    heeded = []
    if threading.current_thread() is threading.main_thread():  # no other may say what becomes of signals
        heeded = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    # What shells take for a process that the signal has ended.
    raise SystemExit(128 + number)
