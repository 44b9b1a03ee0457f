"""Local: worker processes of this machine, each of which carries out one trial after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from unetgen.ablation.running.conduct import conduct
from unetgen.ablation.running.death import cause
from unetgen.ablation.running.engine import Ended, Event, Reported, Started
from unetgen.ablation.running.process import PROCESSES, begun, check_guarded, ended
from unetgen.ablation.running.result import Result
from unetgen.ablation.running.trial import Trial

# Seconds between looks at workers that are silent: what they have forked may hide that they are dead.
_LOOK = 1.0


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
                ready = wait([signal for worker in busy for signal in worker.signals], _LOOK)
                for worker in busy:
                    if any(signal in ready for signal in worker.signals) or not worker.alive:
                        yield worker.hear()
        finally:
            for worker in workers:
                worker.dismiss()
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
        self._process = begun(work, theirs, self.number)
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def signals(self) -> tuple[Any, ...]:
        """What is ready when there is something to hear. Children of a dead worker may hold its connection open."""
        return self.connection, self._process.sentinel

    def begin(self, trial: Trial) -> Started:
        if not self.alive:
            self.connection.close()
            ended(self._process)
            self._start()
        self.trial = trial
        with suppress(OSError):  # it has died just now, which is heard next
            self.connection.send(trial)
        return Started(trial)

    def hear(self) -> Event:
        """The next thing that the worker tells; that it tells no more is told by the way it ended."""
        assert self.trial is not None  # noqa: S101  # only busy workers are heard
        trial = self.trial
        try:
            said: Any = self.connection.recv() if self.connection.poll() else None
        except Exception:  # no more, or no message, where a trial has written there itself
            said = None
        if said is None:
            code = ended(self._process)
            check_guarded(code)
            said = Result(error=cause(trial, code))
        if isinstance(said, Result):
            self.trial = None
            return Ended(trial, said)
        return Reported(trial, *said)

    def dismiss(self) -> None:
        """An idle worker ends by itself, at the end of what it is sent; one at work is killed."""
        self.connection.close()
        if self.trial is not None:
            self._process.kill()

    def end(self) -> None:
        ended(self._process)
        self._process.close()


def work(connection: Connection, number: int) -> None:
    """What a worker does: trials, until there are no more, or until nobody is there to hear of them."""
    import torch  # noqa: F401  # before any trial's clock runs

    with suppress(EOFError, OSError):
        while True:
            trial: Trial = connection.recv()
            connection.send(conduct(trial, lambda step, metrics: connection.send((step, metrics)), number))
