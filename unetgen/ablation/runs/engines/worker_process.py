"""Process: a fresh interpreter that trials are carried out in, and its end, with all that was started in it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnProcess
from typing import Any

from unetgen.errors import RunError

# Not forked: a process that is forked off one with torch in it may hang in its threads.
SPAWN_CONTEXT = multiprocessing.get_context("spawn")

# Seconds in which a process may end by itself. A trial may have left a thread in it that never does.
GRACE_PERIOD_S = 5.0

# The exit code of a process that began, while it read the script that started it, to carry trials out itself.
_MISSING_MAIN_GUARD = 87


def start_process(function: Callable[..., None], *arguments: Any) -> SpawnProcess:
    """Starts a process. Ctrl-C reaches the parent alone, which ends what it has started."""
    # Not a daemon: those may have no children, and trials load data with some.
    process = SPAWN_CONTEXT.Process(target=_process_main, args=(function, *arguments))
    resource_tracker.ensure_running()  # starting that would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def terminate_process(process: SpawnProcess, grace: float = GRACE_PERIOD_S) -> int | None:
    """Ends a process and what it has started; its exit code if it ended by itself in time."""
    process.join(grace)
    code = process.exitcode
    if process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # it may not have come to have a group
    process.join()
    return code


def exit_if_spawn_reimport() -> None:
    """Ends a process that is only reading its parent's script to begin, and would carry that out once more."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_MISSING_MAIN_GUARD)


def check_main_guard(exit_code: int | None) -> None:
    """Raises RunError where a process has ended so."""
    if exit_code == _MISSING_MAIN_GUARD:
        raise RunError(
            "trials run in processes that read the script which starts them, and this one starts them again; "
            'put what it does under if __name__ == "__main__":'
        )


def _process_main(function: Callable[..., None], *arguments: Any) -> None:
    """What such a process does: it takes itself out of its parent's group, which Ctrl-C is for, and works."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.setsid()
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    function(*arguments)


def _exit_with_parent() -> None:
    """Ends this process, and what was started in it, when its parent is gone.

    A worker whose parent was killed would go on with a trial that somebody else begins again.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.killpg(0, signal.SIGKILL)
