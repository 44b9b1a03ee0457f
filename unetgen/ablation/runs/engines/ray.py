"""Cluster: trials as tasks of Ray, on a cluster that runs or on this machine.

The sweep's folder has to be on a disk that all machines of the cluster see, as their results and checkpoints lie there.
Ray ends the process that drives it where it loses its head, and prints as it likes, so that process is one of its own.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from unetgen.ablation.runs.engines.engine import Event, TrialFinished, TrialStarted
from unetgen.ablation.runs.engines.worker_process import (
    GRACE_PERIOD_S,
    SPAWN_CONTEXT,
    check_main_guard,
    start_process,
    terminate_process,
)
from unetgen.ablation.runs.error_text import format_exception_safely
from unetgen.ablation.runs.execution import execute_trial
from unetgen.ablation.runs.exit_reason import describe_exit
from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.trial import Trial
from unetgen.errors import MissingDependencyError, RunError

# What Ray says, in the sweep's folder.
RAY_LOG_FILE = "ray.log"

# Ray keeps what it is given in memory, so it is given a few more than it has room for, and no more.
PREFETCH = 8

# What Ray calls a cluster that it starts for this process.
_LOCAL_ADDRESS = "local"


@dataclass(frozen=True, slots=True)
class RayEngine:
    """An engine of Ray. ``cpus`` and ``gpus`` are what one trial takes, ``address`` is the cluster's."""

    cpus: float = 1
    gpus: float = 0
    address: str | None = None

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """See Engine."""
        _import_ray()
        if not trials:
            return
        log = trials[0].run_directory / RAY_LOG_FILE
        ours, theirs = SPAWN_CONTEXT.Pipe(duplex=False)
        driver = start_process(_driver_main, theirs, self, trials, log)
        theirs.close()
        try:
            while (said := ours.recv()) is not None:
                if isinstance(said, str):
                    raise RunError(said)
                yield said
        except (EOFError, ConnectionError):
            check_main_guard(terminate_process(driver))
            raise RunError(f"Ray is gone; {log} has its last words, --resume goes on when it is back") from None
        finally:
            ours.close()  # the driver sees nobody listening, and ends what runs
            terminate_process(driver, 2 * GRACE_PERIOD_S)


def _driver_main(connection: Connection, engine: RayEngine, trials: Sequence[Trial], log: Path) -> None:
    """What the driver does: it tells events, then None; a sentence where it cannot go on."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(opened, number)
    ray = _import_ray()
    try:
        _connect(ray, engine.address)
        for event in _RayTasks(ray, engine).run_trials(deque(trials)):
            connection.send(event)
        connection.send(None)
    except RunError as error:
        connection.send(str(error))
    except ConnectionError:
        pass  # nobody listens any more
    finally:
        ray.shutdown()


class _RayTasks:
    """Trials as tasks. One that fails is tried again by --resume, not by Ray."""

    def __init__(self, ray: Any, engine: RayEngine) -> None:
        self.ray, self.engine = ray, engine

    def run_trials(self, pending: deque[Trial]) -> Iterator[Event]:
        ray, cluster = self.ray, self.engine
        task = ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_retries=0)(execute_trial)
        running: dict[Any, Trial] = {}
        try:
            room = self._compute_max_in_flight()
            while pending or running:
                while pending and len(running) < room:
                    trial = pending.popleft()
                    running[task.remote(trial)] = trial
                    yield TrialStarted(trial)
                for reference in ray.wait(list(running))[0]:
                    trial = running.pop(reference)
                    yield TrialFinished(trial, self._fetch_result(reference, trial))
        except ray.exceptions.RayError as error:
            raise RunError(f"Ray is gone: {format_exception_safely(error)}; start it, then --resume goes on") from error
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _compute_max_in_flight(self) -> int:
        """How many trials the cluster can carry out at a time, and a few that wait for their turn there."""
        there = self.ray.cluster_resources()
        wanted = {"CPU": self.engine.cpus, "GPU": self.engine.gpus}
        if any(amount > there.get(name, 0) for name, amount in wanted.items()):
            had = ", ".join(f"{there.get(name, 0):g} {name}" for name in wanted)
            asked = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items() if amount)
            raise RunError(f"the cluster has {had}, and a trial takes {asked}; ask for less, or add machines")
        return int(min(there[name] // amount for name, amount in wanted.items() if amount)) + PREFETCH

    def _fetch_result(self, object_ref: Any, trial: Trial) -> TrialResult:
        """What a task returned, or why it did not."""
        known = self.ray.exceptions
        try:
            result: TrialResult = self.ray.get(object_ref)
            return result
        except known.OutOfMemoryError:
            return TrialResult(error="its process was killed since the machine ran out of memory; give it less to do")
        except (known.WorkerCrashedError, known.NodeDiedError):
            return TrialResult(error=describe_exit(trial))
        except known.RayTaskError as error:  # it could not even begin, on a machine that lacks unetgen, say
            return TrialResult(error=format_exception_safely(error.cause or error))


def _connect(ray: Any, address: str | None) -> None:
    """Connects to the cluster that is told or running, else starts one here, as ``local`` does. Raises RunError."""
    quiet: dict[str, Any] = {"log_to_driver": False}
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address and address != _LOCAL_ADDRESS:
            _check_reachable(address)
            ray.init(address=address, **quiet)
        elif address or not _connect_to_running(ray, quiet):
            ray.init(address=_LOCAL_ADDRESS, include_dashboard=False, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        where = f" at {address}" if address else ""
        raise RunError(
            f"Ray cannot be reached{where}: {format_exception_safely(error)}; start it, or leave its address out"
        ) from error


def _connect_to_running(ray: Any, init_options: dict[str, Any]) -> bool:
    """Connects to a cluster that runs on this machine, if there is one."""
    try:
        ray.init(address="auto", **init_options)
    except ConnectionError:
        return False
    return True


def _check_reachable(address: str) -> None:
    """Raises OSError where nobody opens; Ray itself waits for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _import_ray() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what it warns of otherwise
    try:
        import ray
    except ImportError:
        raise MissingDependencyError("--engine ray", "ray", "ray") from None
    return ray
