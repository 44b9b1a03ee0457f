"""--engine ray: the same trials, the same results, and a one-line error for each failure of Ray."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from support.runs import (
    FAILURE_MESSAGES,
    IN_PROCESS,
    SAMPLE_TRIALS,
    TIMEOUT_S,
    num_completed,
    query_results,
    read_notes,
    run_arguments,
)
from unetgen.ablation.runs.engines import ray as cluster
from unetgen.ablation.runs.engines.engine import Event, TrialFinished
from unetgen.ablation.runs.engines.in_process import InProcessEngine
from unetgen.ablation.runs.engines.ray import RayEngine
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.trial import Trial
from unetgen.errors import RunError

RAY = ("--engine", "ray")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray's workers, which start in another directory, import unetgen if it is not installed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.slow
def test_trials_are_the_same_on_ray(sweep_dir: Path, run_cli: RunCli, ray_address: str) -> None:
    results = []
    engines = {"here": ["--workers", "0"], "ray": [*RAY, "--address", ray_address]}
    for out, engine in engines.items():
        arguments = ["--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--cpus", "1"]
        arguments += engine
        outcome = run_cli("run", str(sweep_dir / "sweep.yaml"), "-o", str(sweep_dir / out), *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        with closing(sqlite3.connect(sweep_dir / out / "results.sqlite")) as opened:
            tables = [
                opened.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4").fetchall()  # noqa: S608
                for name in ("metrics", "curves")
            ]
        table = outcome.out[outcome.out.index("variant") :]  # without what the trials print
        results.append((tables, table.replace(str(sweep_dir / out), "OUT")))
    assert results[0] == results[1]
    assert len(results[0][0][0]) == 20
    assert (sweep_dir / "ray" / "ray.log").is_file()


# Ray does not report the exit code of a worker.
UNKNOWN_EXIT = "its process exited without a result, possibly out of memory; see its log"


@pytest.mark.slow
def test_failed_trials_print_one_line_each_on_ray(sweep_dir: Path, run_cli: RunCli, ray_address: str) -> None:
    arguments = [
        "--trial",
        f"{SAMPLE_TRIALS}:failing",
        "--repeat",
        str(len(FAILURE_MESSAGES)),
        "--timeout",
        str(TIMEOUT_S),
    ]
    arguments += [*RAY, "--address", ray_address]
    outcome = run_cli(*run_arguments(sweep_dir, *arguments, sweep="lone.yaml"))
    out = sweep_dir / "out"
    name = next(out.glob("*.yaml")).stem
    messages = {**FAILURE_MESSAGES, "leaves": UNKNOWN_EXIT, "is killed": UNKNOWN_EXIT, "is ended": UNKNOWN_EXIT}
    lines = [
        f"failed: {name}, seed {seed}: {sentence}; see {out}/trials/{name}/seed-{seed}/log.txt"
        for seed, sentence in enumerate(messages.values())
    ]
    assert sorted(outcome.err.splitlines()) == sorted(lines)
    assert outcome.code == 3
    (out / "right").touch()
    assert run_cli(*run_arguments(sweep_dir, "--resume", *IN_PROCESS, sweep="lone.yaml")).code == 0


def child_processes(name: str) -> list[int]:
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if name in (folder / "comm").read_text() and is_descendant(int(folder.name)):
                pids.append(int(folder.name))
        except OSError:
            continue
    return pids


def is_descendant(process: int) -> bool:
    """Return whether a process belongs to the run's own cluster, not to that of ``ray_address``."""
    while process > 1:
        if "ray.get_runtime_context" in Path(f"/proc/{process}/cmdline").read_text():
            return False
        if process == os.getpid():
            return True
        stat = Path(f"/proc/{process}/stat").read_text()
        process = int(stat.rpartition(")")[2].split()[1])
    return False


class ProcessKiller(RunListener):
    """Kills processes of Ray by name when two trials have ended."""

    def __init__(self, name: str) -> None:
        self.name, self.ended = name, 0

    def on_event(self, event: Event) -> None:
        self.ended += isinstance(event, TrialFinished)
        if self.ended == 2:
            for process in child_processes(self.name):
                os.kill(process, signal.SIGKILL)


# Only the head node by default, because clusters start slowly; with UNETGEN_TEST_EFFORT the raylet too.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["gcs_server", *(["raylet"] if "UNETGEN_TEST_EFFORT" in os.environ else [])])
def test_a_failed_cluster_loses_nothing(name: str, sweep_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "2")
    options = {"sleep": 1.5}
    with pytest.raises(unetgen.UnetgenError) as error:
        unetgen.run(
            sweep_dir / "sweep.yaml", f"{SAMPLE_TRIALS}:seeded_metrics", out=sweep_dir / "out", repeat=2, options=options, engine=RayEngine(address="local"),
            listener=ProcessKiller(name),
        )  # fmt: skip
    message = str(error.value)
    log = sweep_dir / "out" / "ray.log"
    assert message == f"Ray stopped, see {log}; restart it, then continue with --resume" or (
        message.startswith("Ray stopped: ") and message.endswith("; restart it, then continue with --resume")
    )
    assert "\n" not in message
    kept = query_results(sweep_dir, "SELECT count(*) FROM trials WHERE state = 'finished'")[0][0]
    assert 2 <= kept < 8
    monkeypatch.delenv("RAY_gcs_rpc_server_reconnect_timeout_s")
    (sweep_dir / "out" / "quick").touch()
    assert unetgen.run(sweep_dir / "out", resume=True, engine=InProcessEngine()).counts()["finished"] == 8
    assert sum(times > 1 for note, times in read_notes(sweep_dir).items() if note.startswith("done")) <= 2
    assert len([note for note in read_notes(sweep_dir) if note.startswith("done")]) == 8


@pytest.mark.slow
def test_a_cluster_that_is_too_small_or_unreachable(sweep_dir: Path, run_cli: RunCli, ray_address: str) -> None:
    much = run_cli(
        *run_arguments(
            sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", *RAY, "--address", ray_address, "--cpus", "99"
        )
    )
    assert much.err.startswith("a trial needs 99 CPU, but the cluster has ")
    assert much.err.endswith(" CPU, 0 GPU; request less, or add machines\n")
    nowhere = run_cli("run", str(sweep_dir / "out"), "--resume", "--engine", "ray", "--address", "127.0.0.1:1")
    assert nowhere.err == (
        "cannot connect to Ray at 127.0.0.1:1: ConnectionRefusedError: [Errno 111] Connection refused; "
        "start it, or omit --address\n"
    )
    assert num_completed(sweep_dir) == 0


class FailingRay:
    """A stand-in for Ray whose calls fail."""

    class exceptions:  # noqa: N801  # as Ray calls it
        RayError = type("RayError", (Exception,), {})
        OutOfMemoryError = type("OutOfMemoryError", (RayError,), {})
        WorkerCrashedError = NodeDiedError = RayTaskError = type("WorkerCrashedError", (RayError,), {})

    def __init__(self, error: Exception) -> None:
        self.error = error

    def init(self, **options: Any) -> None:
        raise self.error

    def get(self, reference: Any) -> None:
        raise self.error

    def cluster_resources(self) -> dict[str, float]:
        if isinstance(self.error, self.exceptions.RayError):
            raise self.error
        return {"CPU": 2.0}

    def remote(self, **options: Any) -> Any:
        return lambda function: function


def test_rare_errors_of_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    exceptions = FailingRay.exceptions
    trial = Trial("base", 0, 1, "t:f", tmp_path, tmp_path)
    tasks = cluster._RayTasks(FailingRay(exceptions.OutOfMemoryError()), RayEngine())
    message = "its process was killed because the machine ran out of memory; reduce its memory"
    assert tasks._fetch_result(None, trial).error == message
    with pytest.raises(RunError) as gone:
        list(cluster._RayTasks(FailingRay(exceptions.RayError("no head")), RayEngine()).run_trials(deque([trial])))
    assert str(gone.value) == "Ray stopped: RayError: no head; restart it, then continue with --resume"
    with pytest.raises(RunError) as much:
        cluster._RayTasks(FailingRay(ValueError()), RayEngine(gpus=0.5))._compute_max_in_flight()
    assert str(much.value) == (
        "a trial needs 1 CPU, 0.5 GPU, but the cluster has 2 CPU, 0 GPU; request less, or add machines"
    )
    with pytest.raises(RunError) as unreached:
        cluster._connect(FailingRay(RuntimeError("no port")), None)
    assert str(unreached.value) == "cannot connect to Ray: RuntimeError: no port; start it, or omit --address"


def test_a_missing_ray_names_the_extra(sweep_dir: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--engine", "ray"))
    assert (outcome.code, outcome.err) == (
        2, "--engine ray needs ray, which is not installed; run: pip install 'unetgen[ray]'\n",
    )  # fmt: skip
