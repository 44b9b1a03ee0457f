"""Run trials in worker processes of this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from unetgen.ablation.runs.engines.engine import Event, MetricsReported, TrialFinished, TrialSubmitted
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

# Seconds between checks that silent workers are alive: their child processes may keep the connection open.
_POLL_INTERVAL_S = 1.0


class LocalEngine:
    """An engine of N workers. A worker that dies fails only its own trial, and is replaced."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """Run all trials and yield their events; see Engine."""
        pending = deque(trials)
        workers = [_Worker(number) for number in range(min(self.workers, len(pending)))]
        try:
            while True:
                for worker in workers:
                    if worker.trial is None and pending:
                        yield worker.start_trial(pending.popleft())
                busy = [worker for worker in workers if worker.trial is not None]
                if not busy:
                    return
                ready = wait([handle for worker in busy for handle in worker.wait_handles], _POLL_INTERVAL_S)
                for worker in busy:
                    if any(handle in ready for handle in worker.wait_handles) or not worker.is_alive:
                        yield worker.receive_event()
        finally:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.join()


class _Worker:
    """A worker process, seen from its parent."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.trial: Trial | None = None
        self._start_process()

    def _start_process(self) -> None:
        self.connection, worker_connection = SPAWN_CONTEXT.Pipe()
        self._process = start_process(worker_main, worker_connection, self.index)
        worker_connection.close()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def wait_handles(self) -> tuple[Any, ...]:
        """The handles that are ready if the worker has sent an event or ended.

        Children of a dead worker may keep its connection open, so its sentinel is one of them.
        """
        return self.connection, self._process.sentinel

    def start_trial(self, trial: Trial) -> TrialSubmitted:
        """Send a trial to the worker, or to a new one if it has died."""
        if not self.is_alive:
            self.connection.close()
            terminate_process(self._process)
            self._start_process()
        self.trial = trial
        with suppress(OSError):  # it has just died, which the next event reports
            self.connection.send(trial)
        return TrialSubmitted(trial)

    def receive_event(self) -> Event:
        """Return the worker's next event, or if it has died the end of its trial with the reason."""
        assert self.trial is not None  # noqa: S101  # called for busy workers only
        trial = self.trial
        try:
            message: Any = self.connection.recv() if self.connection.poll() else None
        except Exception:  # closed, or not a message, if the trial wrote to the connection itself
            message = None
        if message is None:
            code = terminate_process(self._process)
            check_main_guard(code)
            message = TrialResult(error=describe_exit(trial, code))
        if isinstance(message, TrialResult):
            self.trial = None
            return TrialFinished(trial, message)
        return MetricsReported(trial, *message)

    def stop(self) -> None:
        """Close the connection, which ends an idle worker; kill a busy one."""
        self.connection.close()
        if self.trial is not None:
            self._process.kill()

    def join(self) -> None:
        """Wait for the process to end; kill it after the grace period."""
        terminate_process(self._process)
        self._process.close()


def worker_main(connection: Connection, worker_index: int) -> None:
    """Execute the trials that the parent sends, until the connection is closed."""
    import torch  # noqa: F401  # before the clock of the first trial starts

    with suppress(EOFError, OSError):
        while True:
            trial: Trial = connection.recv()
            connection.send(execute_trial(trial, lambda step, metrics: connection.send((step, metrics)), worker_index))
