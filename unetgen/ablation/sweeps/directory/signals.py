"""Let termination signals raise SystemExit, so that open files and folders are cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# Sent by batch systems and by a closed terminal. Windows has no SIGHUP.
_TERMINATION_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def exit_cleanly_on_signals() -> Iterator[None]:
    """Raise SystemExit on termination signals within the context; signals with other handlers are left alone."""
    replaced = []
    if threading.current_thread() is threading.main_thread():  # only this one may set handlers
        replaced = [number for number in _TERMINATION_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, _raise_system_exit)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)


def _raise_system_exit(signum: int, _: FrameType | None) -> NoReturn:
    # The exit status that shells report for a process ended by the signal.
    raise SystemExit(128 + signum)
