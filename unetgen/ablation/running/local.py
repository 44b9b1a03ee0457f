"""Local: worker processes of this machine, each of which carries out one trial after the other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from unetgen.ablation.running.conduct import conduct
from unetgen.ablation.running.death import cause
from unetgen.ablation.running.engine import Ended, Event, Reported, Started
from unetgen.ablation.running.result import Result
from unetgen.ablation.running.trial import Trial

# Fresh interpreters: a process that is forked off one with torch in it may hang in its threads.
PROCESSES = multiprocessing.get_context("spawn")


class Local:
    """An engine of a few workers. A worker that dies takes its trial with it, and another takes its place."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def events(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """See Engine."""
        waiting = deque(trials)
        workers = [_Worker(number) for number in range(min(self.workers, len(waiting)))]
        try:
            while True:
                for worker in workers:
                    if worker.trial is None and waiting:
                        yield worker.begin(waiting.popleft())
                busy = [worker for worker in workers if worker.trial is not None]
                if not busy:
                    return
                ready = wait([signal for worker in busy for signal in worker.signals])
                for worker in busy:
                    if any(signal in ready for signal in worker.signals):
                        yield worker.hear()
        finally:
            for worker in workers:
                worker.end()


class _Worker:
    """A worker as its parent sees it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.trial: Trial | None = None
        self._start()

    def _start(self) -> None:
        self.connection, theirs = PROCESSES.Pipe()
        # Not a daemon: those may have no children, and trials load data with some.
        self._process = PROCESSES.Process(target=work, args=(theirs, self.number))
        self._process.start()
        theirs.close()

    @property
    def signals(self) -> tuple[Any, ...]:
        """What is ready when there is something to hear. Children of a dead worker may hold its connection open."""
        return self.connection, self._process.sentinel

    def begin(self, trial: Trial) -> Started:
        if not self._process.is_alive():
            self.connection.close()
            self._start()
        self.trial = trial
        self.connection.send(trial)
        return Started(trial)

    def hear(self) -> Event:
        """The next thing that the worker tells; that it tells no more is told by the way it ended."""
        assert self.trial is not None  # noqa: S101  # only busy workers are heard
        trial = self.trial
        try:
            said: Any = self.connection.recv() if self.connection.poll() else None
        except (EOFError, ConnectionError):
            said = None
        if said is None:
            self._process.join()
            said = Result(error=cause(trial, self._process.exitcode))
        if isinstance(said, Result):
            self.trial = None
            return Ended(trial, said)
        return Reported(trial, *said)

    def end(self) -> None:
        """An idle worker ends by itself, at the end of what it is sent; one at work is killed."""
        self.connection.close()
        if self.trial is not None:
            self._process.kill()
        self._process.join()
        self._process.close()


def work(connection: Connection, number: int) -> None:
    """What a worker does: trials, until there are no more, or until nobody is there to hear of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    threading.Thread(target=leave_with_parent, daemon=True).start()
    import torch  # noqa: F401  # before any trial's clock runs

    while True:
        try:
            trial: Trial = connection.recv()
            connection.send(conduct(trial, lambda step, metrics: connection.send((step, metrics)), number))
        except (EOFError, ConnectionError):
            return


def leave_with_parent() -> None:
    """Ends this process when its parent is gone.

    A worker whose parent was killed would go on with a trial that somebody else begins again.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
