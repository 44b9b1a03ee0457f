"""Interruption: signals that end a process at once let it close what it has open first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# What a batch system and a closed terminal send. Windows knows no SIGHUP.
_TERMINATION_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def exit_cleanly_on_signals() -> Iterator[None]:
    """Has such signals leave by an exception, as Ctrl-C does; those that somebody heeds or ignores stay theirs."""
    heeded = []
    if threading.current_thread() is threading.main_thread():  # no other may say what becomes of signals
        heeded = [number for number in _TERMINATION_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, _raise_system_exit)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


def _raise_system_exit(signum: int, _: FrameType | None) -> NoReturn:
    # What shells take for a process that the signal has ended.
    raise SystemExit(128 + signum)
