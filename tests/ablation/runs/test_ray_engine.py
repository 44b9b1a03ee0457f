"""--engine ray: the same trials, the same ledger, and one line for whatever Ray does."""

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
from support.runs import FAILURE_MESSAGES, SAMPLE_TRIALS, num_completed, query_results, read_notes, run_arguments
from unetgen.ablation.runs.engines import ray as cluster
from unetgen.ablation.runs.engines.engine import Event, TrialFinished
from unetgen.ablation.runs.engines.ray import RayEngine
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.trial import Trial
from unetgen.errors import RunError

# A cluster of the test's own, where another test may have one too.
RAY = ("--engine", "ray", "--address", "local")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's workers start elsewhere; an installed unetgen is found from anywhere, one that is tested in place is not."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_trials_are_the_same_on_ray(sweep_dir: Path, run_cli: RunCli) -> None:
    found = []
    for out, engine in (("local", "local"), ("ray", "ray")):
        arguments = ["--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--repeat", "2", "--engine", engine, "--cpus", "1"]
        arguments += ["--address", "local"] * (engine == "ray")
        outcome = run_cli("run", str(sweep_dir / "sweep.yaml"), "-o", str(sweep_dir / out), *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        with closing(sqlite3.connect(sweep_dir / out / "results.sqlite")) as opened:
            tables = [
                opened.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4").fetchall()  # noqa: S608
                for name in ("metrics", "curves")
            ]
        found.append((tables, outcome.out.replace(str(sweep_dir / out), "OUT")))
    assert found[0] == found[1]
    assert len(found[0][0][0]) == 40
    assert (sweep_dir / "ray" / "ray.log").is_file()


# Ray does not report the exit code of a worker.
UNKNOWN_EXIT = "its process exited without a result, possibly out of memory; see its log"


def test_faults_are_one_line_each_on_ray_too(sweep_dir: Path, run_cli: RunCli) -> None:
    arguments = ["--trial", f"{SAMPLE_TRIALS}:failing", "--repeat", str(len(FAILURE_MESSAGES)), "--timeout", "10", *RAY]
    outcome = run_cli(*run_arguments(sweep_dir, *arguments, sweep="lone.yaml"))
    out = sweep_dir / "out"
    name = next(out.glob("*.yaml")).stem
    said = {**FAILURE_MESSAGES, "leaves": UNKNOWN_EXIT, "is killed": UNKNOWN_EXIT, "is ended": UNKNOWN_EXIT}
    lines = [
        f"failed: {name}, seed {seed}: {sentence}; see {out}/trials/{name}/seed-{seed}/log.txt"
        for seed, sentence in enumerate(said.values())
    ]
    assert sorted(outcome.err.splitlines()) == sorted(lines)
    assert outcome.code == 3
    (out / "right").touch()
    assert run_cli(*run_arguments(sweep_dir, "--resume", sweep="lone.yaml")).code == 0


def processes(name: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if name in (folder / "comm").read_text() and mine(int(folder.name)):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def mine(process: int) -> bool:
    """Whether this test's process is among its ancestors."""
    while process > 1:
        if process == os.getpid():
            return True
        stat = Path(f"/proc/{process}/stat").read_text()
        process = int(stat.rpartition(")")[2].split()[1])
    return False


class Killing(RunListener):
    """Kills a process of Ray's when so many trials are over."""

    def __init__(self, name: str) -> None:
        self.name, self.ended = name, 0

    def on_event(self, event: Event) -> None:
        self.ended += isinstance(event, TrialFinished)
        if self.ended == 2:
            for process in processes(self.name):
                os.kill(process, signal.SIGKILL)


# The head alone, since a cluster takes long to start; with UNETGEN_TEST_EFFORT set a machine's own daemon too.
@pytest.mark.parametrize("name", ["gcs_server", *(["raylet"] if "UNETGEN_TEST_EFFORT" in os.environ else [])])
def test_a_cluster_that_dies_loses_nothing(name: str, sweep_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "2")
    options = {"sleep": 1.5}
    with pytest.raises(unetgen.UnetgenError) as error:
        unetgen.run(
            sweep_dir / "sweep.yaml", f"{SAMPLE_TRIALS}:seeded_metrics", out=sweep_dir / "out", repeat=2, options=options, engine=RayEngine(address="local"),
            listener=Killing(name),
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
    assert unetgen.run(sweep_dir / "out", resume=True).counts()["finished"] == 8
    assert sum(times > 1 for note, times in read_notes(sweep_dir).items() if note.startswith("done")) <= 2
    assert len([note for note in read_notes(sweep_dir) if note.startswith("done")]) == 8


def test_a_cluster_that_cannot_do_it_says_so(sweep_dir: Path, run_cli: RunCli) -> None:
    much = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", *RAY, "--cpus", "99"))
    assert much.err.startswith("a trial needs 99 CPU, but the cluster has ")
    assert much.err.endswith(" CPU, 0 GPU; request less, or add machines\n")
    nowhere = run_cli("run", str(sweep_dir / "out"), "--resume", "--engine", "ray", "--address", "127.0.0.1:1")
    assert nowhere.err == (
        "cannot connect to Ray at 127.0.0.1:1: ConnectionRefusedError: [Errno 111] Connection refused; "
        "start it, or omit --address\n"
    )
    assert num_completed(sweep_dir) == 0


class Failing:
    """Ray, where everything goes wrong that rarely does."""

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


def test_what_ray_rarely_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    known = Failing.exceptions
    trial = Trial("base", 0, 1, "t:f", tmp_path, tmp_path)
    tasks = cluster._RayTasks(Failing(known.OutOfMemoryError()), RayEngine())
    message = "its process was killed because the machine ran out of memory; reduce its memory"
    assert tasks._fetch_result(None, trial).error == message
    with pytest.raises(RunError) as gone:
        list(cluster._RayTasks(Failing(known.RayError("no head")), RayEngine()).run_trials(deque([trial])))
    assert str(gone.value) == "Ray stopped: RayError: no head; restart it, then continue with --resume"
    with pytest.raises(RunError) as much:
        cluster._RayTasks(Failing(ValueError()), RayEngine(gpus=0.5))._compute_max_in_flight()
    assert str(much.value) == (
        "a trial needs 1 CPU, 0.5 GPU, but the cluster has 2 CPU, 0 GPU; request less, or add machines"
    )
    with pytest.raises(RunError) as unreached:
        cluster._connect(Failing(RuntimeError("no port")), None)
    assert str(unreached.value) == "cannot connect to Ray: RuntimeError: no port; start it, or omit --address"


def test_without_ray_the_extra_is_named(sweep_dir: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--engine", "ray"))
    assert (outcome.code, outcome.err) == (
        2, "--engine ray needs ray, which is not installed; run: pip install 'unetgen[ray]'\n",
    )  # fmt: skip
