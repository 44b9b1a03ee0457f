"""Local: worker processes of this machine, each of which carries out one trial after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from unetgen.ablation.runs.engines.engine import Event, MetricsReported, TrialFinished, TrialStarted
from unetgen.ablation.runs.engines.worker_process import (
    SPAWN_CONTEXT,
    check_main_guard,
    start_process,
    terminate_process,
)
from unetgen.ablation.runs.execution import execute_trial
from unetgen.ablation.runs.exit_reason import describe_exit
from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.trial import Trial

# Seconds between looks at workers that are silent: what they have forked may hide that they are dead.
_POLL_INTERVAL_S = 1.0


class LocalEngine:
    """An engine of a few workers. A worker that dies takes its trial with it, and another takes its place."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """See Engine."""
        waiting = deque(trials)
        workers = [_Worker(number) for number in range(min(self.workers, len(waiting)))]
        try:
            while True:
                for worker in workers:
                    if worker.trial is None and waiting:
                        yield worker.start_trial(waiting.popleft())
                busy = [worker for worker in workers if worker.trial is not None]
                if not busy:
                    return
                ready = wait([signal for worker in busy for signal in worker.wait_handles], _POLL_INTERVAL_S)
                for worker in busy:
                    if any(signal in ready for signal in worker.wait_handles) or not worker.is_alive:
                        yield worker.receive_event()
        finally:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.join()


class _Worker:
    """A worker as its parent sees it."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.trial: Trial | None = None
        self._start_process()

    def _start_process(self) -> None:
        self.connection, theirs = SPAWN_CONTEXT.Pipe()
        self._process = start_process(worker_main, theirs, self.index)
        theirs.close()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def wait_handles(self) -> tuple[Any, ...]:
        """What is ready when there is something to hear. Children of a dead worker may hold its connection open."""
        return self.connection, self._process.sentinel

    def start_trial(self, trial: Trial) -> TrialStarted:
        if not self.is_alive:
            self.connection.close()
            terminate_process(self._process)
            self._start_process()
        self.trial = trial
        with suppress(OSError):  # it has died just now, which is heard next
            self.connection.send(trial)
        return TrialStarted(trial)

    def receive_event(self) -> Event:
        """The next thing that the worker tells; that it tells no more is told by the way it ended."""
        assert self.trial is not None  # noqa: S101  # only busy workers are heard
        trial = self.trial
        try:
            said: Any = self.connection.recv() if self.connection.poll() else None
        except Exception:  # no more, or no message, where a trial has written there itself
            said = None
        if said is None:
            code = terminate_process(self._process)
            check_main_guard(code)
            said = TrialResult(error=describe_exit(trial, code))
        if isinstance(said, TrialResult):
            self.trial = None
            return TrialFinished(trial, said)
        return MetricsReported(trial, *said)

    def stop(self) -> None:
        """An idle worker ends by itself, at the end of what it is sent; one at work is killed."""
        self.connection.close()
        if self.trial is not None:
            self._process.kill()

    def join(self) -> None:
        terminate_process(self._process)
        self._process.close()


def worker_main(connection: Connection, worker_index: int) -> None:
    """What a worker does: trials, until there are no more, or until nobody is there to hear of them."""
    import torch  # noqa: F401  # before any trial's clock runs

    with suppress(EOFError, OSError):
        while True:
            trial: Trial = connection.recv()
            connection.send(execute_trial(trial, lambda step, metrics: connection.send((step, metrics)), worker_index))
