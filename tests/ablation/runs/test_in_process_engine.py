"""Runs in the caller's process: the results of workers, the caller's state restored, debuggers that can be quit."""

from __future__ import annotations

import io
import json
import os
import pdb
import random
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from support.runs import FAILURE_MESSAGES, SAMPLE_TRIALS, PlanRecorder, query_results, read_notes, run_arguments
from unetgen.ablation.runs.engines.engine import MetricsReported, TrialFinished, TrialSubmitted
from unetgen.ablation.runs.engines.in_process import InProcessEngine
from unetgen.ablation.runs.engines.local import LocalEngine
from unetgen.ablation.runs.process_state import _restore_gpu_states
from unetgen.ablation.runs.result import read_result
from unetgen.ablation.runs.trial import Trial, TrialLimits
from unetgen.errors import RunError

SPEC = "{extends: unet_milesial, widths: [2, 4], input_size: [16, 16]}"

# Failures that do not end the process.
CATCHABLE = {name: message for name, message in FAILURE_MESSAGES.items() if not message.startswith(("its ", "timed "))}


@pytest.fixture
def run_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrialFinished]:
    """Run a function as a trial in this process, and return its last event."""

    def run(function: Callable[..., Any], **fields: Any) -> TrialFinished:
        module = ModuleType("caller")
        module.fit = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "caller", module)
        trial = Trial("base", 0, 1, "caller:fit", tmp_path, tmp_path, spec=SPEC, **fields)
        *_, last = InProcessEngine().run_trials([trial])
        assert isinstance(last, TrialFinished)
        return last

    return run


def log_of(event: TrialFinished) -> str:
    return (event.trial.directory / "log.txt").read_text(encoding="utf-8")


# Results


def test_results_equal_those_of_workers(sweep_dir: Path, run_cli: RunCli) -> None:
    tables = []
    for out, workers in (("here", "0"), ("worker", "1")):
        arguments = ["--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--workers", workers, "--cpus", "1"]
        outcome = run_cli("run", str(sweep_dir / "lone.yaml"), "-o", str(sweep_dir / out), "--repeat", "2", *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.endswith(f"\n2 trials finished; results are in {sweep_dir / out}\n")
        with closing(sqlite3.connect(sweep_dir / out / "results.sqlite")) as opened:
            queries = ["metrics", "curves", "variants", "settings WHERE name NOT IN ('cwd')"]
            queries += ["(SELECT variant, seed, state, attempts, error, device FROM trials)"]
            tables.append([opened.execute(f"SELECT * FROM {query}").fetchall() for query in queries])  # noqa: S608
        directory = next((sweep_dir / out / "trials").glob("*/seed-1"))
        result = read_result(directory)
        assert result is not None
        tables[-1].append([result.metrics, result.curves, result.device, (directory / "log.txt").read_text()])
    assert tables[0] == tables[1]
    assert len(tables[0][0]) == 10


def test_errors_are_those_of_workers(tmp_path: Path) -> None:
    seeds = [list(FAILURE_MESSAGES).index(name) for name in CATCHABLE]
    trials = [Trial("base", seed, 1, f"{SAMPLE_TRIALS}:failing", tmp_path, tmp_path, spec=SPEC) for seed in seeds]
    finished = [event for event in InProcessEngine().run_trials(trials) if isinstance(event, TrialFinished)]
    assert [event.result.error for event in finished] == list(CATCHABLE.values())
    assert log_of(finished[0]).startswith("Traceback (most recent call last):")
    assert log_of(finished[0]).endswith("ValueError: two\nlines\n")


def test_a_missing_directory_is_the_trials_error(run_trial: Callable[..., TrialFinished], tmp_path: Path) -> None:
    trial = Trial("base", 0, 1, "caller:fit", tmp_path, tmp_path / "missing", spec=SPEC)
    *_, last = InProcessEngine().run_trials([trial])
    assert isinstance(last, TrialFinished)
    assert last.result.error.startswith("FileNotFoundError: ")


def test_reports_follow_when_the_trial_has_ended(tmp_path: Path) -> None:
    trial = Trial("base", 0, 1, f"{SAMPLE_TRIALS}:seeded_metrics", tmp_path, tmp_path, spec=SPEC)
    kinds = [type(event) for event in InProcessEngine().run_trials([trial])]
    assert kinds == [TrialSubmitted, MetricsReported, MetricsReported, TrialFinished]


def test_reports_of_threads_left_running_are_ignored(run_trial: Callable[..., TrialFinished]) -> None:
    is_over = threading.Event()

    def fit(model: Any, spec: Any, context: Any) -> dict[str, float]:
        def report_late() -> None:
            is_over.wait()
            context.report(2, loss=1.0)
            print("late")

        fit.thread = threading.Thread(target=report_late)  # type: ignore[attr-defined]
        fit.thread.start()  # type: ignore[attr-defined]
        context.report(1, loss=1.0)
        return {"dice": 0.5}

    event = run_trial(fit)
    is_over.set()
    fit.thread.join()  # type: ignore[attr-defined]
    assert event.result.curves == ((1, {"loss": 1.0}),)
    assert log_of(event) == ""


def test_fail_fast_stops_at_the_first_failure(sweep_dir: Path, run_cli: RunCli) -> None:
    outcome = run_cli(*run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:failing", "--fail-fast", "--workers", "0"))
    assert outcome.code == 3
    assert outcome.out.endswith(f"0 trials finished, 1 failed, 3 waiting; results are in {sweep_dir / 'out'}\n")
    assert len(outcome.err.splitlines()) == 1


# Process state


def read_state() -> dict[str, Any]:
    return {
        "environment": dict(os.environ), "directory": Path.cwd(), "path": list(sys.path), "numpy errors": np.geterr(),
        "warnings": list(warnings.filters), "streams": (sys.stdin, sys.stdout, sys.stderr),
        "dtype": torch.get_default_dtype(), "device": torch.get_default_device(), "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(), "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(), "anomalies": torch.is_anomaly_enabled(),
        "precision": torch.get_float32_matmul_precision(), "cudnn": torch.backends.cudnn.benchmark,
        "random": random.getstate(), "numpy": repr(np.random.get_state()), "torch": torch.get_rng_state().tolist(),
    }  # fmt: skip


def change_state(model: Any, spec: Any, context: Any, fails: bool = False) -> dict[str, float]:
    os.environ["LEFT"] = "1"
    os.chdir("/")
    sys.path.insert(0, "/left")
    np.seterr(all="raise")
    warnings.simplefilter("ignore")
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), io.StringIO(), None
    torch.set_default_dtype(torch.float16)
    torch.set_default_device("meta")
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_anomaly_enabled(True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    random.random(), np.random.rand(), torch.rand((), device="cpu")
    if fails:
        raise RuntimeError("changed")
    return {"dice": 0.5}


@pytest.mark.parametrize("fails", [False, True])
def test_the_callers_state_is_restored(run_trial: Callable[..., TrialFinished], fails: bool) -> None:
    before = read_state()
    event = run_trial(change_state, options={"fails": fails})
    assert read_state() == before
    assert bool(event.result.error) == fails


def test_a_trial_starts_with_the_defaults_of_a_worker(run_trial: Callable[..., TrialFinished]) -> None:
    def fit(model: Any, spec: Any, context: Any) -> dict[str, float]:
        loss = model(torch.rand(1, spec.in_channels, 16, 16)).sum()
        loss.backward()
        return {"dtype": loss.dtype == torch.float32, "device": torch.zeros(1).device.type == "cpu"}

    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        with torch.inference_mode():
            event = run_trial(fit)
            assert torch.is_inference_mode_enabled()
        assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float64, "meta")
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert (event.result.error, event.result.metrics) == ("", {"dtype": 1.0, "device": 1.0})


def test_random_states_of_gpus_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    restored: list[Any] = []
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", restored.append)
    _restore_gpu_states(["state"])
    _restore_gpu_states(None)  # neither the caller nor the trial used a GPU
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    _restore_gpu_states(None)  # only the trial did
    assert restored == [["state"], torch.initial_seed()]


# Output


def test_output_is_shown_and_logged(
    run_trial: Callable[..., TrialFinished], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(model: Any, spec: Any, context: Any) -> dict[str, float]:
        print("out \N{SNOWMAN} \udcff")
        sys.stderr.writelines(["err\n"])
        sys.stdout.close()
        print(sys.stdout.encoding)
        return {"dice": 0.5}

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    event = run_trial(fit)
    assert event.result.error == ""
    assert stream.buffer.getvalue() == b"out \\u2603 \\udcff\nascii\n"
    assert capsys.readouterr().err == "err\n"
    assert log_of(event) == "out \N{SNOWMAN} \\udcff\nerr\nascii\n"


def test_a_trial_may_print_without_streams(
    run_trial: Callable[..., TrialFinished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    event = run_trial(lambda model, spec, context: {"dice": float(print("shown") is None)})
    assert (event.result.error, log_of(event)) == ("", "shown\n")


def test_json_on_stdout_is_not_mixed_with_output(sweep_dir: Path, run_cli: RunCli) -> None:
    arguments = ["--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--workers", "0", "--format", "json"]
    outcome = run_cli(*run_arguments(sweep_dir, *arguments, sweep="lone.yaml"))
    assert len(json.loads(outcome.out)) == 1
    assert outcome.err.startswith("started with base-")
    assert outcome.err.endswith(f"1 trial finished; results are in {sweep_dir / 'out'}\n")


# Interruption

INTERRUPTED = """\
import bdb, sys
from pathlib import Path


def fit(model, spec, context):
    for step in range(context.attempt == 2 and 2, 4):
        context.report(step, loss=step)
        if step == 1:
            {interrupt}
    return {{"dice": 0.5}}
"""


@pytest.mark.parametrize("interrupt", ["raise KeyboardInterrupt", "raise bdb.BdbQuit"])
def test_an_interrupted_run_is_resumed(interrupt: str, sweep_dir: Path, run_cli: RunCli) -> None:
    out = sweep_dir / "out"
    (sweep_dir / "train.py").write_text(INTERRUPTED.format(interrupt=interrupt))
    arguments = run_arguments(sweep_dir, "--trial", f"{sweep_dir / 'train.py'}:fit", "--workers", "0")
    stopped = run_cli(*arguments)
    message = f"interrupted; finished trials are in {out}; use --resume to continue\n"
    assert (stopped.code, stopped.err) == (130, message)
    states = "SELECT state, attempts FROM trials ORDER BY attempts DESC"
    assert query_results(sweep_dir, states) == [("waiting", 1), *[("waiting", 0)] * 3]
    # Its reports are kept: an attempt that continues from a checkpoint continues the curve.
    curve = "SELECT step FROM curves WHERE variant = (SELECT variant FROM trials WHERE attempts = {}) ORDER BY step"
    assert query_results(sweep_dir, curve.format(1)) == [(0,), (1,)]
    (sweep_dir / "train.py").write_text(INTERRUPTED.format(interrupt="pass"))
    resumed = run_cli(*run_arguments(sweep_dir, "--resume", "--workers", "0"))
    assert (resumed.code, resumed.err) == (0, "")
    assert query_results(sweep_dir, states) == [("finished", 2), *[("finished", 1)] * 3]
    assert query_results(sweep_dir, curve.format(2)) == [(0,), (1,), (2,), (3,)]


def test_python_314_quits_debuggers_by_system_exit(run_trial: Callable[..., TrialFinished]) -> None:
    quit_debugger: dict[str, Any] = {}
    source = "def do_quit():\n    raise SystemExit"
    exec(compile(source, pdb.__file__, "exec"), quit_debugger)  # noqa: S102
    with pytest.raises(KeyboardInterrupt):
        run_trial(lambda model, spec, context: quit_debugger["do_quit"]())


DEBUGGED = """\
def fit(model, spec, context):
    answer = 6 * spec.in_channels
    breakpoint()
    return {"answer": answer}
"""


def test_a_breakpoint_works_and_its_debugger_may_quit(sweep_dir: Path) -> None:
    (sweep_dir / "train.py").write_text(DEBUGGED)
    command = [sys.executable, "-m", "unetgen", *run_arguments(sweep_dir, "--trial", "train.py:fit", "--workers", "0")]
    commands = "p f'answer {answer}'\nanswer = 7\nc\nq\ny\n"  # Python 3.14 asks whether to quit
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, input=commands, cwd=sweep_dir, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr == f"interrupted; finished trials are in {sweep_dir / 'out'}; use --resume to continue\n"
    assert "'answer 18'" in done.stdout
    assert query_results(sweep_dir, "SELECT value FROM metrics") == [(7.0,)]
    states = query_results(sweep_dir, "SELECT state, count(*) FROM trials GROUP BY state")
    assert states == [("finished", 1), ("waiting", 3)]


def test_a_trial_that_ends_the_process_ends_the_run(sweep_dir: Path) -> None:
    seed = list(FAILURE_MESSAGES).index("leaves")
    arguments = ["--trial", f"{SAMPLE_TRIALS}:failing", "--repeat", str(seed + 1), "--workers", "0"]
    command = [sys.executable, "-m", "unetgen", *run_arguments(sweep_dir, *arguments, sweep="lone.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    states = "SELECT seed, state, attempts FROM trials ORDER BY seed"
    assert query_results(sweep_dir, states) == [(0, "failed", 1), (1, "failed", 1), (2, "running", 1)]
    (sweep_dir / "out" / "right").touch()
    assert unetgen.run(sweep_dir / "out", resume=True, workers=0).counts()["finished"] == seed + 1


# What is refused


def test_a_timeout_is_refused(sweep_dir: Path, run_cli: RunCli) -> None:
    message = "a trial in this process cannot be stopped after a timeout; omit --timeout, or use --workers 1"
    outcome = run_cli(
        *run_arguments(sweep_dir, "--trial", f"{SAMPLE_TRIALS}:seeded_metrics", "--workers", "0", "--timeout", "5")
    )
    assert (outcome.code, outcome.err) == (2, f"{message}\n")
    assert not (sweep_dir / "out").exists()
    with pytest.raises(RunError) as error:
        unetgen.run(sweep_dir / "lone.yaml", "t:fit", engine=InProcessEngine(), conditions=TrialLimits(timeout=5))
    assert str(error.value) == message


def test_wrong_numbers_of_workers_are_refused(sweep_dir: Path, run_cli: RunCli) -> None:
    trial = ("--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    outcome = run_cli(*run_arguments(sweep_dir, *trial, "--workers", "0", "--engine", "ray"))
    assert outcome.code == 2
    assert outcome.err.endswith("Error: --workers 0 runs trials in this process, not on Ray; remove --engine ray\n")
    for options, message in (
        ({"workers": -1}, "workers=-1 must be 0 or more"),
        ({"workers": 0, "engine": LocalEngine()}, "workers=0 has no effect with an engine; omit one of them"),
    ):
        with pytest.raises(RunError) as error:
            unetgen.run(sweep_dir / "lone.yaml", trial[1], **options)
        assert str(error.value) == message


def test_a_missing_gpu_is_refused(sweep_dir: Path) -> None:
    with pytest.raises(RunError, match="not found"):
        unetgen.run(sweep_dir / "lone.yaml", "t:fit", workers=0, conditions=TrialLimits(device="cuda:99"))


# Notebooks


def test_an_edited_file_is_imported_again_by_the_next_run(sweep_dir: Path) -> None:
    file = sweep_dir / "edited_trial.py"
    values = []
    for value in (1, 2):
        file.write_text(f"def fit(model, spec, context):\n    return {{'value': {value}}}\n")
        os.utime(file, (value, value))
        out = sweep_dir / f"out{value}"
        table = unetgen.run(sweep_dir / "lone.yaml", f"{file}:fit", out=out, workers=0)
        values += [mean for by_variant in table.metrics.values() for mean in by_variant[table.base].values()]
    assert values == [1.0, 2.0]


def test_a_function_of_the_main_module_may_be_the_trial(sweep_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "fit", lambda model, spec, context: {"dice": 0.5}, raising=False)
    listener = PlanRecorder()
    table = unetgen.run(sweep_dir / "lone.yaml", "__main__:fit", out=sweep_dir / "out", workers=0, listener=listener)
    assert table.counts()["finished"] == len(listener.trials) == 1
    assert not read_notes(sweep_dir)
