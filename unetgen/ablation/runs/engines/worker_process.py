"""Start and terminate worker processes, with all child processes that trials start in them."""

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

# Not forked: a fork of a process that uses torch may deadlock in torch's threads.
SPAWN_CONTEXT = multiprocessing.get_context("spawn")

# Seconds for a process to exit by itself. A thread that a trial left running may never end.
GRACE_PERIOD_S = 5.0

# The exit code of a process that would start the run again while it imports the main script.
_MISSING_MAIN_GUARD = 87


def start_process(function: Callable[..., None], *arguments: Any) -> SpawnProcess:
    """Start a process. Ctrl-C reaches only the parent, which stops its processes."""
    # Not a daemon: daemons may not have child processes, and data loaders of trials are such.
    process = SPAWN_CONTEXT.Process(target=_process_main, args=(function, *arguments))
    resource_tracker.ensure_running()  # starting it later would unblock Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def terminate_process(process: SpawnProcess, grace: float | None = None) -> int | None:
    """End a process and its child processes.

    Args:
        process: The process.
        grace: Seconds for it to exit by itself (default: ``GRACE_PERIOD_S``).

    Returns:
        Its exit code, or None if it had to be killed.
    """
    process.join(GRACE_PERIOD_S if grace is None else grace)
    code = process.exitcode
    if process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # it may not have created its process group yet
    process.join()
    return code


def exit_if_spawn_reimport() -> None:
    """Exit if this process is only importing its parent's main script, and would start the run again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_MISSING_MAIN_GUARD)


def check_main_guard(exit_code: int | None) -> None:
    """Raise RunError if ``exit_if_spawn_reimport`` ended a process."""
    if exit_code == _MISSING_MAIN_GUARD:
        raise RunError(
            "worker processes import the main script, and this one would start the run again; "
            'put its code under if __name__ == "__main__":'
        )


def _process_main(function: Callable[..., None], *arguments: Any) -> None:
    """Leave the parent's process group, which Ctrl-C is sent to, and call the function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.setsid()
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    function(*arguments)


def _exit_with_parent() -> None:
    """End this process and its child processes when the parent has ended.

    Otherwise a worker whose parent was killed would continue a trial that a resumed run starts again.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.killpg(0, signal.SIGKILL)
