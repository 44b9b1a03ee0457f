"""unetgen run: every variant once per seed, even if a trial, a worker, the run or the disk fails."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from support.plugin_site import CRASHING_PLUGIN
from support.runs import (
    FAILURE_MESSAGES,
    IN_PROCESS,
    MISBEHAVIOUR_MESSAGES,
    ONE_VARIANT_SWEEP,
    SAMPLE_TRIALS,
    TIMEOUT_S,
    NullEngine,
    PlanRecorder,
    background_program_pids,
    child_pids,
    interrupt_and_check,
    is_process_running,
    num_completed,
    query_results,
    read_notes,
    run_arguments,
    start_in_background,
    wait_until,
)
from unetgen.ablation.results import database
from unetgen.ablation.runs.engines import worker_process
from unetgen.ablation.runs.engines.engine import Event, TrialFinished, TrialSubmitted
from unetgen.ablation.runs.engines.in_process import InProcessEngine
from unetgen.ablation.runs.engines.local import LocalEngine
from unetgen.ablation.runs.execution import TIMEOUT_TRACEBACK_FILE
from unetgen.ablation.runs.exit_reason import describe_exit
from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.trial import Trial, TrialLimits
from unetgen.errors import RunError


def test_every_variant_runs_for_every_seed(sweep_dir: Path, run_cli: RunCli) -> None:
    outcome = run_cli(
        *run_arguments(
            sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--repeat", "2", "--with", "epochs=3", *IN_PROCESS
        )
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(f"\n8 trials finished; results are in {sweep_dir / 'out'}\n")
    assert query_results(sweep_dir, "SELECT DISTINCT state, attempts, error FROM trials") == [("finished", 1, None)]
    assert query_results(sweep_dir, "SELECT count(*), min(step), max(step), min(value) FROM curves") == [
        (24, 0, 2, 1 / 3)
    ]
    # Weights and random numbers depend on the seed alone.
    num_values = query_results(
        sweep_dir, "SELECT metric, seed, count(DISTINCT value) FROM results WHERE metric != 'weights' GROUP BY 1, 2"
    )
    assert {row[2] for row in num_values if row[0] in ("torch", "numpy", "python")} == {1}
    assert len(query_results(sweep_dir, "SELECT DISTINCT value FROM metrics WHERE name = 'torch'")) == 2
    params = "SELECT value, json_extract(costs, '$.params') FROM metrics JOIN variants ON variant = variants.name "
    assert all(built == known for built, known in query_results(sweep_dir, f"{params} WHERE metrics.name = 'params'"))
    log = next((sweep_dir / "out" / "trials").glob("base-*/seed-1/log.txt"))
    assert log.read_text().startswith("started with base-")
    assert set(read_notes(sweep_dir).values()) == {1}
    # The database has the names, specs, options and versions that a result came from.
    settings = dict(query_results(sweep_dir, "SELECT name, value FROM settings"))
    assert settings["trial"] == f'"{SAMPLE_TRIALS}:seeded_metrics"'
    assert settings["options"] == '{"epochs": 3}'
    spec = query_results(sweep_dir, "SELECT spec, hash FROM variants WHERE name LIKE 'base-%'")[0]
    assert unetgen.load_spec(spec[0]).hash == spec[1]
    # The number of workers makes no difference.
    metrics = query_results(sweep_dir, "SELECT * FROM metrics WHERE seed = 0 ORDER BY variant, name")
    assert len(metrics) == 20
    run_cli(
        "run",
        str(sweep_dir / "sweep.yaml"),
        "-o",
        str(sweep_dir / "two"),
        "--trial",
        f"{SAMPLE_TRIALS}:seeded_metrics",
        "--workers",
        "2",
    )
    with closing(sqlite3.connect(sweep_dir / "two" / "results.sqlite")) as opened:
        assert opened.execute("SELECT * FROM metrics ORDER BY variant, name").fetchall() == metrics


def test_resume_runs_only_missing_trials(sweep_dir: Path, run_cli: RunCli) -> None:
    trial = ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    run_cli(*run_arguments(sweep_dir, *trial, *IN_PROCESS, sweep="lone.yaml"))
    again = run_cli(*run_arguments(sweep_dir, *trial, *IN_PROCESS, sweep="lone.yaml"))
    assert (again.code, again.err) == (
        2, f"{sweep_dir / 'out'} already has results; use --resume to run what is missing\n",
    )  # fmt: skip
    more = run_cli(*run_arguments(sweep_dir, "--resume", "--repeat", "2", *IN_PROCESS, sweep="lone.yaml"))
    assert (more.code, more.err) == (0, "1 finished before, 1 to run\n")
    assert set(read_notes(sweep_dir).values()) == {1}
    # From the directory itself, with nothing to run. The second trial has only a result file, as after a run that was
    # killed before it recorded the result.
    tables = "SELECT * FROM metrics", "SELECT * FROM curves"
    before = [query_results(sweep_dir, table) for table in tables]
    with closing(sqlite3.connect(sweep_dir / "out" / "results.sqlite")) as opened, opened:
        opened.execute("UPDATE trials SET state = 'running' WHERE seed = 1")
        opened.execute("DELETE FROM metrics WHERE seed = 1")
        opened.execute("DELETE FROM curves WHERE seed = 1")
    last = run_cli("run", str(sweep_dir / "out"), "--resume", *IN_PROCESS)
    assert last.err == "2 finished before, 0 to run\n"
    assert last.out == more.out.partition("\n")[2]  # without what the trial prints
    assert before == [query_results(sweep_dir, table) for table in tables]
    assert set(read_notes(sweep_dir).values()) == {1}


def planned_seeds(sweep_dir: Path, **options: Any) -> list[int]:
    """Return the seeds that a resumed run would run for each of the four variants."""
    listener = PlanRecorder()
    unetgen.run(
        sweep_dir / "sweep.yaml", out=sweep_dir / "out", resume=True, engine=NullEngine(), listener=listener, **options
    )
    counts = Counter(trial.seed for trial in listener.trials)
    assert set(counts.values()) == {4}
    return list(counts)


def test_planned_trials_are_pending_until_finished(sweep_dir: Path) -> None:
    unetgen.run(
        sweep_dir / "sweep.yaml",
        f"{SAMPLE_TRIALS}:seeded_metrics",
        out=sweep_dir / "out",
        repeat=2,
        seed=3,
        engine=NullEngine(),
    )
    assert planned_seeds(sweep_dir) == planned_seeds(sweep_dir, repeat=1) == planned_seeds(sweep_dir, seed=4) == [3, 4]
    assert planned_seeds(sweep_dir, repeat=3) == [3, 4, 5]
    assert planned_seeds(sweep_dir, seed=9) == [3, 4, 5, 9]
    with pytest.raises(RunError) as error:
        planned_seeds(sweep_dir, repeat=2**32)
    assert str(error.value) == "seeds from 3 to 4294967298 are invalid; use seeds from 0 to 4,294,967,295"


def test_resume_rejects_another_run(sweep_dir: Path, run_cli: RunCli, no_trials_run: None) -> None:
    out = sweep_dir / "out"
    run_cli(
        *run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--with", "epochs=1", sweep="lone.yaml")
    )
    start, fix = f"the results in {out} have", "use the same, or choose another directory"
    messages = {
        ("sweep.yaml", "--resume"): (
            f"the results in {out} are not of the sweep {sweep_dir / 'sweep.yaml'}; choose another directory"
        ),
        ("lone.yaml", "--resume", "--with", "epochs=2"): f"{start} options {{'epochs': 1}}, not {{'epochs': 2}}; {fix}",
        ("lone.yaml", "--resume", "--trial", f"{SAMPLE_TRIALS}:reads_results"): (
            f"{start} trial '{SAMPLE_TRIALS}:seeded_metrics', not '{SAMPLE_TRIALS}:reads_results'; {fix}"
        ),
        ("lone.yaml", "--resume", "--plugin", "json"): f"{start} plugins [], not ['json']; {fix}",
    }  # fmt: skip
    for (sweep, *arguments), sentence in messages.items():
        assert run_cli(*run_arguments(sweep_dir, *arguments, sweep=sweep)).err == f"{sentence}\n"
    assert run_cli("sweep", str(sweep_dir / "sweep.yaml"), "--out", str(out)).err.endswith(
        "contains results.sqlite, which no sweep has written; choose another directory, or move it\n"
    )


def test_a_run_resumes_from_any_directory(
    sweep_dir: Path, run_cli: RunCli, no_trials_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trial is named relative to the directory where it was started."""
    original = sweep_dir / "original"
    original.mkdir()
    (original / "near.py").write_text("def fit(model, spec, context): ...\n")
    monkeypatch.chdir(original)
    run_cli("run", "../lone.yaml", "-o", "../out", "--trial", "near.py:fit")
    monkeypatch.chdir(sweep_dir)
    listener = PlanRecorder()
    unetgen.run("out", resume=True, engine=NullEngine(), listener=listener)
    assert [(trial.cwd, trial.function_name) for trial in listener.trials] == [(original, "near.py:fit")]
    original.rename(sweep_dir / "renamed")
    outcome = run_cli("run", "out", "--resume")
    assert (outcome.code, outcome.err) == (
        5, f"out has results of a run that was started in {original}, which is missing; restore it with the files that the trial needs\n",
    )  # fmt: skip


def test_results_are_readable_during_a_run(sweep_dir: Path, run_cli: RunCli) -> None:
    run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:reads_results", *IN_PROCESS))
    assert query_results(sweep_dir, "SELECT name, group_concat(CAST(value AS INT), ' ') FROM "
                       "(SELECT * FROM metrics ORDER BY value) GROUP BY name") == [
        ("attempt", "1 1 1 1"), ("finished", "0 1 2 3"), ("running", "1 1 1 1"),
    ]  # fmt: skip


def test_an_attempt_finds_the_last_checkpoint(sweep_dir: Path, run_cli: RunCli) -> None:
    first = run_cli(
        *run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:fails_then_resumes", *IN_PROCESS, sweep="lone.yaml")
    )
    assert first.code == 3
    assert run_cli(*run_arguments(sweep_dir, "--resume", *IN_PROCESS, sweep="lone.yaml")).code == 0
    assert query_results(sweep_dir, "SELECT metric, value, attempts FROM results") == [
        ("attempt", 2.0, 2),
        ("step", 7.0, 2),
    ]


def test_a_curve_continues_from_the_checkpoint(tmp_path: Path) -> None:
    def read_curve(results: database.ResultsDatabase) -> list[tuple[int, float | None]]:
        return [(step, value) for *_, step, value in results.read_curves()]

    with database.ResultsDatabase.create(tmp_path, {}, [database.VariantRow("a", spec="x")], [0]) as results:
        results.start_trial("a", 0)
        for step in (1, 2, 3):
            results.record_metrics("a", 0, step, {"loss": 1.0})
        results.start_trial("a", 0)
        assert read_curve(results) == [(1, 1.0), (2, 1.0), (3, 1.0)]
        results.record_metrics("a", 0, 2, {"loss": 2.0})  # it has resumed from a checkpoint of step 1
        assert read_curve(results) == [(1, 1.0), (2, 2.0)]
        results.record_metrics("a", 0, 3, {"loss": 2.0})
        results.finish_trial("a", 0, {}, (), 1.0, "cpu", "killed")
        assert read_curve(results) == [(1, 1.0), (2, 2.0), (3, 2.0)]
        results.start_trial("a", 0)
        results.finish_trial("a", 0, {"loss": 3.0}, [(1, {"loss": 3.0})], 1.0, "cpu", "")  # it has started from step 1
        assert read_curve(results) == [(1, 3.0)]


# Failing trials


@pytest.mark.slow
def test_a_failed_trial_prints_one_line_and_stops_no_other(sweep_dir: Path, run_cli: RunCli) -> None:
    """One seed per failure; then the trials succeed, and resuming finishes them all."""
    lethal = dict(list(FAILURE_MESSAGES.items())[:6])  # the others do not need a worker: test_in_process_engine.py
    assert list(lethal)[-1] == "hangs"
    arguments = ["--trial", f"{SAMPLE_TRIALS}:failing", "--repeat", str(len(lethal)), "--timeout", str(TIMEOUT_S)]
    arguments += ["--workers", "2"]
    outcome = run_cli(*run_arguments(sweep_dir, *arguments, sweep="lone.yaml"))
    out = sweep_dir / "out"
    name = next(out.glob("*.yaml")).stem
    lines = [
        f"failed: {name}, seed {seed}: {sentence}; see {out}/trials/{name}/seed-{seed}/log.txt"
        for seed, sentence in enumerate(lethal.values())
    ]
    assert sorted(outcome.err.splitlines()) == sorted(lines)
    assert outcome.code == 3
    assert outcome.out.endswith(f"\n0 trials finished, {len(lethal)} failed; results are in {out}\n")
    log = (out / "trials" / name / "seed-0" / "log.txt").read_text()
    assert log.startswith("Traceback (most recent call last):")
    assert log.endswith("ValueError: two\nlines\n")
    (out / "right").touch()
    resumed = run_cli(*run_arguments(sweep_dir, "--resume", *IN_PROCESS, sweep="lone.yaml"))
    assert resumed.code == 0
    assert resumed.out.endswith(f"\n{len(lethal)} trials finished; results are in {out}\n")


def test_misbehaving_trials_do_not_affect_others(
    sweep_dir: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All run in one worker."""
    monkeypatch.setattr(worker_process, "GRACE_PERIOD_S", 0.5)  # for the thread that sleeps
    from support import sample_trials

    outcome = run_cli(
        *run_arguments(
            sweep_dir,
            "--trial",
            f"{SAMPLE_TRIALS}:misbehaving",
            "--repeat",
            str(len(sample_trials._MISBEHAVIOURS)),
            sweep="lone.yaml",
        )
    )
    errors = query_results(sweep_dir, "SELECT seed, error FROM trials WHERE state = 'failed' ORDER BY seed")
    assert errors == list(enumerate(MISBEHAVIOUR_MESSAGES.values()))
    assert len(outcome.err.splitlines()) == len(MISBEHAVIOUR_MESSAGES)
    assert query_results(sweep_dir, "SELECT name, min(value), max(value), count(*) FROM metrics GROUP BY name") == [
        ("a\\udcff", 1, 1, 1), ("b", 1, 1, 1), ("fine", 1, 1, 7),
    ]  # fmt: skip
    names = list(sample_trials._MISBEHAVIOURS)
    logs = {
        names[int(file.parent.name[5:])]: file.read_text() for file in (sweep_dir / "out").glob("trials/*/*/log.txt")
    }
    assert logs["raises what cannot be written"].startswith("\\udcff\nTraceback (most recent call last):")
    assert logs["looks"] == "all is well\n"
    assert logs["reports from a fork"] == (
        "context.report was called in a forked process; send the metrics to the trial's process\n"
    )
    # Threads left running do not report for the next trial, and child processes end with the run.
    assert query_results(sweep_dir, "SELECT DISTINCT seed FROM curves") == [(names.index("reports late"),)]
    wait_until(lambda: not any(map(is_process_running, background_program_pids(sweep_dir))))
    listener = PlanRecorder()
    unetgen.run(sweep_dir / "out", resume=True, engine=NullEngine(), listener=listener)
    assert [trial.seed for trial in listener.trials] == list(range(len(MISBEHAVIOUR_MESSAGES)))


def test_fail_fast_stops_at_the_first_failure(sweep_dir: Path, run_cli: RunCli) -> None:
    outcome = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:failing", "--fail-fast", *IN_PROCESS))
    assert outcome.code == 3
    assert outcome.out.endswith(f"0 trials finished, 1 failed, 3 waiting; results are in {sweep_dir / 'out'}\n")
    assert len(outcome.err.splitlines()) == 1


# Failures of workers, of the run and of its disk


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_loses_and_repeats_nothing(sign: signal.Signals, sweep_dir: Path, run_cli: RunCli) -> None:
    child = start_in_background(
        sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--repeat", "3", "--with", "sleep=0.1", "--workers", "2",
        "--with", "beside=true",
    )  # fmt: skip
    wait_until(lambda: num_completed(sweep_dir) >= 3)
    workers = child_pids(child)
    if sign == signal.SIGINT:
        interrupt_and_check(child, sweep_dir)
    else:
        child.send_signal(sign)
        child.communicate()
    wait_until(lambda: not any(map(is_process_running, [*workers, *background_program_pids(sweep_dir)])))
    finished = num_completed(sweep_dir)
    assert 3 <= finished < 12
    kept = {tuple(row) for row in query_results(sweep_dir, "SELECT * FROM metrics")}
    outcome = run_cli(*run_arguments(sweep_dir, "--resume"))
    assert outcome.code == 0
    assert outcome.out.endswith(f"12 trials finished; results are in {sweep_dir / 'out'}\n")
    assert kept <= {tuple(row) for row in query_results(sweep_dir, "SELECT * FROM metrics")}
    # A killed trial may have been at its very end; no trial with a result file is repeated.
    again = [note for note, times in read_notes(sweep_dir).items() if note.startswith("done") and times > 1]
    assert len(again) <= 2
    assert num_completed(sweep_dir) == 12


def test_interrupting_a_starting_run_prints_one_line(sweep_dir: Path) -> None:
    child = start_in_background(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", sweep="lone.yaml")
    wait_until(lambda: len(child_pids(child)) == 2)  # a worker, and the resource tracker
    interrupt_and_check(child, sweep_dir)


def test_a_truncated_result_file_is_ignored(tmp_path: Path) -> None:
    from unetgen.ablation.runs.result import RESULT_FILE, read_result

    TrialResult({"dice": 0.5}, ((1, {"loss": float("inf")}),), 2.0, device="cpu").write(tmp_path)
    result = read_result(tmp_path)
    assert result == TrialResult({"dice": 0.5}, ((1, {"loss": float("inf")}),), 2.0, device="cpu")
    for other in ((tmp_path / RESULT_FILE).read_text()[:20], '"text"', "[]", '{"curves": {}}', '{"metrics": {"a": 1}}'):
        (tmp_path / RESULT_FILE).write_text(other)
        assert read_result(tmp_path) is None


def test_a_killed_worker_fails_one_trial(sweep_dir: Path) -> None:
    class WorkerKiller(RunListener):
        killed = 0

        def on_event(self, event: Event) -> None:
            if isinstance(event, TrialSubmitted) and not self.killed:
                self.killed = 1
                for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                    if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGKILL)

    table = unetgen.run(
        sweep_dir / "sweep.yaml",
        f"{SAMPLE_TRIALS}:seeded_metrics",
        out=sweep_dir / "out",
        engine=LocalEngine(1),
        listener=WorkerKiller(),
    )
    assert table.counts() == {"finished": 3, "failed": 1, "running": 0, "waiting": 0}
    assert unetgen.run(sweep_dir / "out", resume=True, engine=InProcessEngine()).counts()["finished"] == 4


def test_two_runs_at_once_in_one_directory(sweep_dir: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if they reach it by different paths."""
    out = sweep_dir / "out"

    class Second(RunListener):
        messages: list[str] = []

        def on_planned(self, trials_to_run: Sequence[Trial], num_finished_before: int) -> None:
            (sweep_dir / "link").symlink_to(out)
            self.messages.append(run_cli(*run_arguments(sweep_dir, "--resume", sweep="lone.yaml")).err)
            self.messages.append(run_cli("run", str(sweep_dir / "link"), "--resume").err)
            monkeypatch.chdir(out)
            self.messages.append(run_cli("run", ".", "--resume").err)

    second = Second()
    unetgen.run(
        sweep_dir / "lone.yaml", f"{SAMPLE_TRIALS}:seeded_metrics", out=out, listener=second, engine=NullEngine()
    )
    fix = "wait for it, or choose another directory"
    assert second.messages == [f"another run is using {path}; {fix}\n" for path in (out, sweep_dir / "link", ".")]
    assert sorted(path.name for path in sweep_dir.iterdir()) == ["link", "lone.yaml", "out", "sweep.yaml"]


def test_the_lock_file_cannot_be_created(sweep_dir: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = sweep_dir / ".out.lock"
    lock.mkdir()
    trial = ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    assert run_cli(*run_arguments(sweep_dir, *trial)).err == (
        f"cannot create the lock file {lock}: IsADirectoryError: [Errno 21] Is a directory: '{lock}'; "
        "check the permissions, or choose another directory\n"
    )
    monkeypatch.setitem(sys.modules, "filelock", None)
    assert run_cli(*run_arguments(sweep_dir, *trial)).err == (
        "a run needs filelock, which is not installed; run: pip install 'unetgen[ablation]'\n"
    )


class FullDiskConnection(sqlite3.Connection):
    """A database on a disk that is soon full."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA max_page_count = 24")


def test_a_full_disk_keeps_finished_trials(sweep_dir: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(database.sqlite3, "connect", lambda *a, **o: connect(*a, **o, factory=FullDiskConnection))
    outcome = run_cli(
        *run_arguments(
            sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--repeat", "9", "--with", "epochs=99", *IN_PROCESS
        )
    )
    monkeypatch.undo()
    file = sweep_dir / "out" / "results.sqlite"
    assert outcome.code == 5
    assert outcome.err == (f"{file}: database or disk is full; free disk space, then continue with --resume\n")
    kept = query_results(sweep_dir, "SELECT count(*) FROM trials WHERE state = 'finished'")[0][0]
    assert 1 < kept < 36
    assert unetgen.run(sweep_dir / "out", resume=True, engine=InProcessEngine()).counts()["finished"] == 36
    # Only the trial that was running then was repeated.
    assert len({note.partition(" ")[2] for note, times in read_notes(sweep_dir).items() if times > 1}) <= 1
    assert num_completed(sweep_dir) == 36


def test_invalid_results_databases_are_reported(
    sweep_dir: Path, run_cli: RunCli, no_trials_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.1)
    run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics"))
    file = sweep_dir / "out" / "results.sqlite"

    def resumed() -> str:
        outcome = run_cli("run", str(sweep_dir / "out"), "--resume")
        assert (outcome.code, outcome.out) == (5, "")
        return outcome.err

    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert resumed() == (
            f"{file}: database is locked; close the program that is writing to it, then continue with --resume\n"
        )
    contents = file.read_bytes()
    file.write_bytes(contents[:4096] + bytes(len(contents) - 4096))
    assert resumed() == f"{file}: database disk image is malformed; repair the file, or move it away\n"
    file.write_bytes(b"not a database at all" * 99)
    assert resumed() == f"{file}: file is not a database; repair the file, or move it away\n"
    file.write_bytes(b"")
    assert resumed() == (f"{file} is not a results database; restore a copy, or move {sweep_dir / 'out'} away\n")


def test_a_partial_database_is_replaced(sweep_dir: Path, run_cli: RunCli, no_trials_run: None) -> None:
    run_cli("sweep", str(sweep_dir / "lone.yaml"), "--out", str(sweep_dir / "out"))
    for name in (".partial-results.sqlite", ".partial-results.sqlite-journal"):
        (sweep_dir / "out" / name).write_text("half")
    outcome = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", sweep="lone.yaml"))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(f"0 trials finished, 1 waiting; results are in {sweep_dir / 'out'}\n")


def test_a_timeout_may_have_no_traceback(tmp_path: Path) -> None:
    trial = Trial("base", 0, 1, "t:f", tmp_path, tmp_path, limits=TrialLimits(timeout=2))
    trial.directory.mkdir(parents=True)
    (trial.directory / TIMEOUT_TRACEBACK_FILE).write_text("Timeout (0:00:02)!\n")
    assert describe_exit(trial, 1) == "timed out after 2 s"


UNGUARDED = """\
import unetgen
unetgen.run({sweep!r}, {trial!r}, out={out!r})
"""


def test_a_missing_main_guard_is_reported(sweep_dir: Path) -> None:
    script = UNGUARDED.format(
        sweep=str(sweep_dir / "lone.yaml"), trial=f"{SAMPLE_TRIALS}:seeded_metrics", out=str(sweep_dir / "out")
    )
    (sweep_dir / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=sweep_dir, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.endswith(
        "RunError: worker processes import the main script, and this one would start the run again; "
        'put its code under if __name__ == "__main__":\n'
    )


# Runs that cannot start


def rejected_arguments(sweep_dir: Path) -> dict[tuple[str, ...], str]:
    return {
        ("--trial", f"{SAMPLE_TRIALS}:seeded_metric"): f"{SAMPLE_TRIALS}:seeded_metric: {SAMPLE_TRIALS} has no function 'seeded_metric'; did you mean 'seeded_metrics'?",
        ("--trial", f"{SAMPLE_TRIALS}:not_a_function"): (
            f"{SAMPLE_TRIALS}:not_a_function: {SAMPLE_TRIALS} has no function 'not_a_function'; "
            "it has Any, Path, append_note, failing, fails_then_resumes, misbehaving, reads_results, seeded_metrics"
        ),
        ("--trial", "nothing.py:fit"): "nothing.py:fit: file not found: nothing.py; check the path",
        ("--trial", "no_such_module:fit"): "no_such_module:fit: module not found: no_such_module; check the name, or use file.py:function",
        ("--trial", f"{sweep_dir / 'broken.py'}:fit"): (
            f"{sweep_dir / 'broken.py'}:fit: {sweep_dir / 'broken.py'} cannot be imported: "
            "ModuleNotFoundError: No module named 'missing'; fix the error"
        ),
        ("--trial", "pkg.bad:fit"): (
            "pkg.bad:fit: pkg.bad cannot be imported: ModuleNotFoundError: No module named 'pkg.nothere'; fix the error"
        ),
        ("--trial", "pkg.none:fit"): "pkg.none:fit: module not found: pkg.none; check the name, or use file.py:function",
        ("--trial", "pkg.leaves:fit"): (
            "pkg.leaves:fit: pkg.leaves exits when it is imported (SystemExit: 5); "
            'put its script code under if __name__ == "__main__":'
        ),
        ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--timeout", "nan"): "timeout nan s is invalid; use more than 0 and at most 31,536,000 s",
        ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--timeout", "1e12"): "timeout 1e+12 s is invalid; use more than 0 and at most 31,536,000 s",
        ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--device", "foo"): "unknown device 'foo'; use cpu, cuda or cuda:1, or omit --device",
        ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--device", "cuda:99"): (
            f"device 'cuda:99' not found ({torch.cuda.device_count()} GPUs available); omit --device to choose one automatically"
        ),
        ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--seed", "5000000000"): (
            "seeds from 5000000000 to 5000000000 are invalid; use seeds from 0 to 4,294,967,295"
        ),
        ("--trial", "fit"): "'fit' is not a trial; use module:function or file.py:function",
        ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--with", "epoch=1"): f"{SAMPLE_TRIALS}:seeded_metrics has no option 'epoch'; did you mean 'epochs'?",
        ("--trial", f"{SAMPLE_TRIALS}:reads_results", "--with", "a=1"): f"{SAMPLE_TRIALS}:reads_results has no option 'a'; it has no options",
        ("--trial", "unetgen.trials:segmentation"): (
            "unetgen.trials:segmentation requires 'images' and 'masks'; add --with images=... --with masks=..."
        ),
        ("--trial", "os:getcwd"): (
            "os:getcwd cannot be called as trial(model, spec, context): too many positional arguments"
        ),
        (): "a run needs a trial; add --trial module:function",
        ("--resume",): f"{sweep_dir / 'out'} has no results to resume; omit --resume",
    }  # fmt: skip


def test_runs_that_cannot_start_are_rejected(sweep_dir: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    (sweep_dir / "broken.py").write_text("import missing\n")
    (sweep_dir / "pkg").mkdir()
    (sweep_dir / "pkg" / "bad.py").write_text("import pkg.nothere\n")
    (sweep_dir / "pkg" / "leaves.py").write_text("import sys\nsys.exit(5)\n")
    monkeypatch.syspath_prepend(str(sweep_dir))
    for arguments, sentence in rejected_arguments(sweep_dir).items():
        outcome = run_cli(*run_arguments(sweep_dir, *arguments))
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"{sentence}\n"), arguments
    assert not (sweep_dir / "out").exists()
    wrong = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--with", "epochs"))
    assert wrong.err.endswith("Error: --with 'epochs' is not an assignment; use --with NAME=VALUE\n")
    wrong = run_cli(
        *run_arguments(
            sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--with", "epochs=1", "--with", "epochs=2"
        )
    )
    assert wrong.err.endswith("Error: --with epochs is set more than once; set it once\n")
    wrong = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--with", "epochs=[1"))
    assert wrong.err == (
        "--with epochs=[1:2:1: invalid YAML: did not find expected ',' or ']'; check brackets, quotes and indentation\n"
    )
    wrong = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--gpus", "1"))
    assert wrong.err.endswith("Error: --gpus and --address require --engine ray; use --device instead\n")
    nowhere = run_cli(
        "run",
        str(sweep_dir / "sweep.yaml"),
        "-o",
        str(sweep_dir / "no" / "out"),
        "--trial",
        f"{SAMPLE_TRIALS}:seeded_metrics",
    )
    assert nowhere.err == f"directory not found: {sweep_dir / 'no'}; create it first\n"
    elsewhere = run_cli(
        "run", str(sweep_dir), "-o", str(sweep_dir / "out"), "--trial", f"{SAMPLE_TRIALS}:seeded_metrics"
    )
    assert elsewhere.err == f"{sweep_dir} is already a sweep directory; remove --out to store the results there\n"
    nothing = run_cli("run", str(sweep_dir), "--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    assert (
        nothing.err
        == f"{sweep_dir} is not a sweep directory; use a sweep file, or a directory that unetgen sweep --out wrote\n"
    )


def test_an_edited_spec_is_detected(sweep_dir: Path, run_cli: RunCli) -> None:
    out = sweep_dir / "out"
    run_cli("sweep", str(sweep_dir / "lone.yaml"), "--out", str(out))
    spec = next(out.glob("base-*.yaml"))
    spec.write_text(spec.read_text().replace("out_channels: 2", "out_channels: 3"))
    outcome = run_cli("run", str(out), "--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    assert (outcome.code, outcome.err) == (
        1, f"{spec} was changed: its hash is not that in the index; write the sweep again\n",
    )  # fmt: skip


def test_invalid_combinations_are_reported_and_the_others_run(
    sweep_dir: Path, run_cli: RunCli, no_trials_run: None
) -> None:
    sweep = sweep_dir / "sweep.yaml"
    sweep.write_text(ONE_VARIANT_SWEEP.replace("[concat]", "[concat, mean]"))
    outcome = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics"))
    assert outcome.code == 1
    assert outcome.out.endswith(f"0 trials finished, 1 waiting; results are in {sweep_dir / 'out'}\n")
    assert outcome.err.startswith(f"{sweep}:2:")
    assert run_cli(*run_arguments(sweep_dir, "--resume")) == outcome  # they are still missing
    text = sweep.read_text()
    sweep.write_text(text + "on_invalid: skip\n")
    skipped = run_cli("run", str(sweep), "-o", str(sweep_dir / "skipped"), "--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    assert (skipped.code, skipped.err) == (0, outcome.err)
    sweep.write_text(text + "on_invalid: error\n")
    refused = run_cli("run", str(sweep), "-o", str(sweep_dir / "other"), "--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    assert (refused.code, refused.out) == (1, "")
    assert not (sweep_dir / "other").exists()


def test_a_plugin_that_fails_in_every_variant_is_reported(
    sweep_dir: Path, run_cli: RunCli, isolated_plugins: None
) -> None:
    (sweep_dir / "crash.py").write_text(CRASHING_PLUGIN)
    (sweep_dir / "lone.yaml").write_text(re.sub("axes: .*", "axes: {block: [crash]}", ONE_VARIANT_SWEEP))
    arguments = ["--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--plugin", str(sweep_dir / "crash.py")]
    outcome = run_cli(*run_arguments(sweep_dir, *arguments, sweep="lone.yaml"))
    digest = hashlib.sha256(CRASHING_PLUGIN.encode()).hexdigest()[:8]
    assert (outcome.code, outcome.err) == (
        3, f"failed: encoder.0: block 'crash' of crash sha256:{digest} failed at level 0 of the encoder: "
        "RuntimeError: out of ink (in block=crash)\n",
    )  # fmt: skip


def test_listeners_receive_the_events_of_a_run(sweep_dir: Path, run_cli: RunCli) -> None:
    """Run in a directory that a sweep wrote."""
    out = sweep_dir / "out"
    run_cli("sweep", str(sweep_dir / "lone.yaml"), "--out", str(out), "--as", "overlay")
    events: list[Event] = []

    class EventRecorder(RunListener):
        def on_event(self, event: Event) -> None:
            events.append(event)

    table = unetgen.run(
        out,
        f"{SAMPLE_TRIALS}:seeded_metrics",
        options={"epochs": 2},
        listener=EventRecorder(),
        engine=InProcessEngine(),
    )
    assert [type(event).__name__ for event in events] == [
        "TrialSubmitted",
        "MetricsReported",
        "MetricsReported",
        "TrialFinished",
    ]
    assert isinstance(events[-1], TrialFinished)
    assert events[-1].result.metrics == {name: by[table.base][0] for name, by in table.metrics.items()}
    with pytest.raises(RunError):
        unetgen.run(out, f"{SAMPLE_TRIALS}:seeded_metrics")
    (out / "results.sqlite").unlink()
    assert run_cli("run", str(out), "--trial", f"{SAMPLE_TRIALS}:seeded_metrics").err == (
        f"{out / 'trials'} exists but results.sqlite is missing; move or delete {out / 'trials'}\n"
    )
