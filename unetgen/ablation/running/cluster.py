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

from unetgen.ablation.running.conduct import conduct
from unetgen.ablation.running.death import cause
from unetgen.ablation.running.engine import Ended, Event, Started
from unetgen.ablation.running.mishap import told
from unetgen.ablation.running.process import GRACE, PROCESSES, begun, check_guarded, ended
from unetgen.ablation.running.result import Result
from unetgen.ablation.running.trial import Trial
from unetgen.errors import MissingExtra, RunError

# What Ray says, in the sweep's folder.
LOG = "ray.log"

# Ray keeps what it is given in memory, so it is given a few more than it has room for, and no more.
AHEAD = 8

# What Ray calls a cluster that it starts for this process.
_HERE = "local"


@dataclass(frozen=True, slots=True)
class Cluster:
    """An engine of Ray. ``cpus`` and ``gpus`` are what one trial takes, ``address`` is the cluster's."""

    cpus: float = 1
    gpus: float = 0
    address: str | None = None

    def events(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """See Engine."""
        _ray()
        if not trials:
            return
        log = trials[0].folder / LOG
        ours, theirs = PROCESSES.Pipe(duplex=False)
        driver = begun(_drive, theirs, self, trials, log)
        theirs.close()
        try:
            while (said := ours.recv()) is not None:
                if isinstance(said, str):
                    raise RunError(said)
                yield said
        except (EOFError, ConnectionError):
            check_guarded(ended(driver))
            raise RunError(f"Ray is gone; {log} has its last words, --resume goes on when it is back") from None
        finally:
            ours.close()  # the driver sees nobody listening, and ends what runs
            ended(driver, 2 * GRACE)


def _drive(listener: Connection, cluster: Cluster, trials: Sequence[Trial], log: Path) -> None:
    """What the driver does: it tells events, then None; a sentence where it cannot go on."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(opened, number)
    ray = _ray()
    try:
        _connect(ray, cluster.address)
        for event in _Tasks(ray, cluster).events(deque(trials)):
            listener.send(event)
        listener.send(None)
    except RunError as error:
        listener.send(str(error))
    except ConnectionError:
        pass  # nobody listens any more
    finally:
        ray.shutdown()


class _Tasks:
    """Trials as tasks. One that fails is tried again by --resume, not by Ray."""

    def __init__(self, ray: Any, cluster: Cluster) -> None:
        self.ray, self.cluster = ray, cluster

    def events(self, waiting: deque[Trial]) -> Iterator[Event]:
        ray, cluster = self.ray, self.cluster
        task = ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_retries=0)(conduct)
        running: dict[Any, Trial] = {}
        try:
            room = self._room()
            while waiting or running:
                while waiting and len(running) < room:
                    trial = waiting.popleft()
                    running[task.remote(trial)] = trial
                    yield Started(trial)
                for reference in ray.wait(list(running))[0]:
                    trial = running.pop(reference)
                    yield Ended(trial, self._result(reference, trial))
        except ray.exceptions.RayError as error:
            raise RunError(f"Ray is gone: {told(error)}; start it, then --resume goes on") from error
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _room(self) -> int:
        """How many trials the cluster can carry out at a time, and a few that wait for their turn there."""
        there = self.ray.cluster_resources()
        wanted = {"CPU": self.cluster.cpus, "GPU": self.cluster.gpus}
        if any(amount > there.get(name, 0) for name, amount in wanted.items()):
            had = ", ".join(f"{there.get(name, 0):g} {name}" for name in wanted)
            asked = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items() if amount)
            raise RunError(f"the cluster has {had}, and a trial takes {asked}; ask for less, or add machines")
        return int(min(there[name] // amount for name, amount in wanted.items() if amount)) + AHEAD

    def _result(self, reference: Any, trial: Trial) -> Result:
        """What a task returned, or why it did not."""
        known = self.ray.exceptions
        try:
            result: Result = self.ray.get(reference)
            return result
        except known.OutOfMemoryError:
            return Result(error="its process was killed since the machine ran out of memory; give it less to do")
        except (known.WorkerCrashedError, known.NodeDiedError):
            return Result(error=cause(trial))
        except known.RayTaskError as error:  # it could not even begin, on a machine that lacks unetgen, say
            return Result(error=told(error.cause or error))


def _connect(ray: Any, address: str | None) -> None:
    """Connects to the cluster that is told or running, else starts one here, as ``local`` does. Raises RunError."""
    quiet: dict[str, Any] = {"log_to_driver": False}
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address and address != _HERE:
            _knock(address)
            ray.init(address=address, **quiet)
        elif address or not _found(ray, quiet):
            ray.init(address=_HERE, include_dashboard=False, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        where = f" at {address}" if address else ""
        raise RunError(f"Ray cannot be reached{where}: {told(error)}; start it, or leave its address out") from error


def _found(ray: Any, quiet: dict[str, Any]) -> bool:
    """Connects to a cluster that runs on this machine, if there is one."""
    try:
        ray.init(address="auto", **quiet)
    except ConnectionError:
        return False
    return True


def _knock(address: str) -> None:
    """Raises OSError where nobody opens; Ray itself waits for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _ray() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what it warns of otherwise
    try:
        import ray
    except ImportError:
        raise MissingExtra("--engine ray", "ray", "ray") from None
    return ray
