"""Run trials as Ray tasks, on a running cluster or on this machine.

The run directory must be on a disk shared by all machines of the cluster: it holds results and checkpoints.
Ray exits its driver process if the head node fails, and prints to its streams, so the driver is a separate process.
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

from unetgen.ablation.runs.engines.engine import Event, TrialFinished, TrialSubmitted
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
from unetgen.errors import MissingDependencyError, RunEnvironmentError, RunError

# The output of Ray, in the run directory.
RAY_LOG_FILE = "ray.log"

# Trials queued in Ray beyond those that can run. Ray keeps all queued trials in memory.
PREFETCH = 8

# Ray's name for a cluster that it starts for this process.
_LOCAL_ADDRESS = "local"


@dataclass(frozen=True, slots=True)
class RayEngine:
    """An engine that runs trials on Ray.

    Args:
        cpus: The CPUs reserved for each trial.
        gpus: The GPUs reserved for each trial; fractions share one.
        address: The cluster's address (default: ``RAY_ADDRESS``, then a cluster on this machine, then a new one).
    """

    cpus: float = 1
    gpus: float = 0
    address: str | None = None

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """Run all trials and yield their events; see Engine."""
        _import_ray()
        if not trials:
            return
        log = trials[0].run_directory / RAY_LOG_FILE
        connection, driver_connection = SPAWN_CONTEXT.Pipe(duplex=False)
        driver = start_process(_driver_main, driver_connection, self, trials, log)
        driver_connection.close()
        try:
            while (message := connection.recv()) is not None:
                if isinstance(message, RunError):
                    raise message
                yield message
        except (EOFError, ConnectionError):
            check_main_guard(terminate_process(driver))
            raise RunEnvironmentError(f"Ray stopped, see {log}; restart it, then continue with --resume") from None
        finally:
            connection.close()  # the driver then stops the trials that still run
            terminate_process(driver, 2 * GRACE_PERIOD_S)


def _driver_main(connection: Connection, engine: RayEngine, trials: Sequence[Trial], log: Path) -> None:
    """Send the events of all trials, then None; send a RunError if Ray cannot continue."""
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
        connection.send(error)
    except ConnectionError:
        pass  # the parent has closed the connection
    finally:
        ray.shutdown()


class _RayTasks:
    """Trials as Ray tasks. Failed trials are repeated by --resume, not by Ray."""

    def __init__(self, ray: Any, engine: RayEngine) -> None:
        self.ray, self.engine = ray, engine

    def run_trials(self, pending: deque[Trial]) -> Iterator[Event]:
        ray, cluster = self.ray, self.engine
        task = ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_retries=0)(execute_trial)
        running: dict[Any, Trial] = {}
        try:
            max_in_flight = self._compute_max_in_flight()
            while pending or running:
                while pending and len(running) < max_in_flight:
                    trial = pending.popleft()
                    running[task.remote(trial)] = trial
                    yield TrialSubmitted(trial)
                for reference in ray.wait(list(running))[0]:
                    trial = running.pop(reference)
                    yield TrialFinished(trial, self._fetch_result(reference, trial))
        except ray.exceptions.RayError as error:
            raise RunEnvironmentError(
                f"Ray stopped: {format_exception_safely(error)}; restart it, then continue with --resume"
            ) from error
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _compute_max_in_flight(self) -> int:
        """Return the number of trials that the cluster can run at a time, plus ``PREFETCH``."""
        available = self.ray.cluster_resources()
        required = {"CPU": self.engine.cpus, "GPU": self.engine.gpus}
        if any(amount > available.get(name, 0) for name, amount in required.items()):
            has = ", ".join(f"{available.get(name, 0):g} {name}" for name in required)
            needs = ", ".join(f"{amount:g} {name}" for name, amount in required.items() if amount)
            raise RunError(f"a trial needs {needs}, but the cluster has {has}; request less, or add machines")
        return int(min(available[name] // amount for name, amount in required.items() if amount)) + PREFETCH

    def _fetch_result(self, object_ref: Any, trial: Trial) -> TrialResult:
        """Return the result of a task, or a result with the reason why it failed."""
        exceptions = self.ray.exceptions
        try:
            result: TrialResult = self.ray.get(object_ref)
            return result
        except exceptions.OutOfMemoryError:
            return TrialResult(error="its process was killed because the machine ran out of memory; reduce its memory")
        except (exceptions.WorkerCrashedError, exceptions.NodeDiedError):
            return TrialResult(error=describe_exit(trial))
        except exceptions.RayTaskError as error:  # it could not start, for example without unetgen on its machine
            return TrialResult(error=format_exception_safely(error.cause or error))


def _connect(ray: Any, address: str | None) -> None:
    """Connect to the given or a running cluster, or start one on this machine. Raise RunEnvironmentError."""
    init_options: dict[str, Any] = {"log_to_driver": False}
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address and address != _LOCAL_ADDRESS:
            _check_reachable(address)
            ray.init(address=address, **init_options)
        elif address or not _connect_to_running(ray, init_options):
            ray.init(address=_LOCAL_ADDRESS, include_dashboard=False, **init_options)
    except (OSError, ValueError, RuntimeError) as error:
        location = f" at {address}" if address else ""
        raise RunEnvironmentError(
            f"cannot connect to Ray{location}: {format_exception_safely(error)}; start it, or omit --address"
        ) from error


def _connect_to_running(ray: Any, init_options: dict[str, Any]) -> bool:
    """Connect to a cluster that runs on this machine; return whether there is one."""
    try:
        ray.init(address="auto", **init_options)
    except ConnectionError:
        return False
    return True


def _check_reachable(address: str) -> None:
    """Raise OSError if nothing listens at the address; Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _import_ray() -> Any:
    """Return the ray module. Raise MissingDependencyError."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning
    try:
        import ray
    except ImportError:
        raise MissingDependencyError("--engine ray", "ray", "ray") from None
    return ray
