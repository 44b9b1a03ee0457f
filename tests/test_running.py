"""unetgen run: every variant once for each seed, whatever happens to a trial, a worker, the run or the disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome

import unetgen
from unetgen.ablation.results import ledger as ledgers
from unetgen.ablation.running.engine import Ended, Event, Started
from unetgen.ablation.running.local import Local
from unetgen.ablation.running.result import Result
from unetgen.ablation.running.run import Listener
from unetgen.ablation.running.trial import Trial
from unetgen.errors import RunError

TARGETS = Path(__file__).parent / "trials_of_tests.py"

SWEEP = """\
base: {extends: unet_milesial, widths: [4, 8], input_size: [16, 16]}
axes: {skip.fusion: [concat, add], bottleneck.block.repeats: [2, 3]}
"""
LONE = SWEEP.replace("[concat, add]", "[concat]").replace("[2, 3]", "[2]")

Command = Callable[..., Outcome]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a sweep; results go to ``out`` beside it."""
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "lone.yaml").write_text(LONE)
    return tmp_path


def started(place: Path, *arguments: str, sweep: str = "sweep.yaml") -> list[str]:
    return ["run", str(place / sweep), "-o", str(place / "out"), *arguments]


def rows(place: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(place / "out" / "results.sqlite")) as opened:
        return opened.execute(query).fetchall()


def notes(place: Path) -> Counter[str]:
    file = place / "out" / "notes.txt"
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


def test_every_variant_is_carried_out_for_every_seed(place: Path, run: Command) -> None:
    outcome = run(*started(place, "--trial", f"{TARGETS}:drawn", "--repeat", "2", "--with", "epochs=3"))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(f"\n8 trials finished; results are in {place / 'out'}\n")
    assert rows(place, "SELECT DISTINCT state, attempts, error FROM trials") == [("finished", 1, None)]
    assert rows(place, "SELECT count(*), min(step), max(step), min(value) FROM curves") == [(24, 0, 2, 1 / 3)]
    # The weights and what is drawn follow from the seed.
    drawn = rows(
        place, "SELECT metric, seed, count(DISTINCT value) FROM results WHERE metric != 'weights' GROUP BY 1, 2"
    )
    assert {row[2] for row in drawn if row[0] in ("torch", "numpy", "python")} == {1}
    assert len(rows(place, "SELECT DISTINCT value FROM metrics WHERE name = 'torch'")) == 2
    params = "SELECT value, json_extract(costs, '$.params') FROM metrics JOIN variants ON variant = variants.name "
    assert all(built == known for built, known in rows(place, f"{params} WHERE metrics.name = 'params'"))
    log = next((place / "out" / "trials").glob("base-*/seed-1/log.txt"))
    assert log.read_text().startswith("begun with base-")
    assert set(notes(place).values()) == {1}
    # Names, specs, options and versions: what a result came from can be told for ever.
    told = dict(rows(place, "SELECT name, value FROM settings"))
    assert told["trial"] == f'"{TARGETS}:drawn"'
    assert told["options"] == '{"epochs": 3}'
    spec = rows(place, "SELECT spec, hash FROM variants WHERE name LIKE 'base-%'")[0]
    assert unetgen.load_spec(spec[0]).hash == spec[1]


def test_workers_make_no_difference(place: Path, run: Command) -> None:
    found = []
    for out, workers in (("one", "1"), ("two", "2")):
        run(
            "run",
            str(place / "sweep.yaml"),
            "-o",
            str(place / out),
            "--trial",
            f"{TARGETS}:drawn",
            "--workers",
            workers,
        )
        with closing(sqlite3.connect(place / out / "results.sqlite")) as opened:
            found.append(opened.execute("SELECT * FROM metrics ORDER BY variant, name").fetchall())
    assert found[0] == found[1]
    assert len(found[0]) == 20


def test_resuming_runs_what_is_missing_and_nothing_else(place: Path, run: Command) -> None:
    trial = ("--trial", f"{TARGETS}:drawn")
    run(*started(place, *trial))
    again = run(*started(place, *trial))
    assert (again.code, again.err) == (
        2, f"{place / 'out'} has results already; --resume goes on with what is missing there\n",
    )  # fmt: skip
    more = run(*started(place, "--resume", "--repeat", "2"))
    assert (more.code, more.err) == (0, "4 finished before, 4 to do\n")
    assert set(notes(place).values()) == {1}
    # From the directory itself, with nothing to do.
    last = run("run", str(place / "out"), "--resume", "--repeat", "2")
    assert last.err == "8 finished before, 0 to do\n"
    assert last.out == more.out


def test_what_is_not_the_same_run_is_refused(place: Path, run: Command) -> None:
    out = place / "out"
    run(*started(place, "--trial", f"{TARGETS}:drawn", "--with", "epochs=1", sweep="lone.yaml"))
    said = {
        (
            "sweep.yaml",
            "--resume",
        ): f"{place / 'sweep.yaml'} is not the sweep that {out} has results of; choose another directory",
        ("lone.yaml", "--resume", "--with", "epochs=2"): (
            f"{out} has results with options {{'epochs': 1}}, not {{'epochs': 2}}; give the same, or choose another directory"
        ),
        ("lone.yaml", "--resume", "--trial", f"{TARGETS}:looking"): (
            f"{out} has results with trial '{TARGETS}:drawn', not '{TARGETS}:looking'; give the same, or choose another directory"
        ),
    }
    for (sweep, *arguments), sentence in said.items():
        assert run(*started(place, *arguments, sweep=sweep)).err == f"{sentence}\n"
    assert run("sweep", str(place / "sweep.yaml"), "--out", str(out)).err.endswith(
        "holds notes.txt and 2 more, which no sweep has written; choose another directory, or move it\n"
    )


def test_results_are_read_while_they_are_made(place: Path, run: Command) -> None:
    run(*started(place, "--trial", f"{TARGETS}:looking"))
    assert rows(place, "SELECT name, group_concat(CAST(value AS INT), ' ') FROM "
                       "(SELECT * FROM metrics ORDER BY value) GROUP BY name") == [
        ("attempt", "1 1 1 1"), ("finished", "0 1 2 3"), ("running", "1 1 1 1"),
    ]  # fmt: skip


def test_an_attempt_finds_what_the_last_one_kept(place: Path, run: Command) -> None:
    first = run(*started(place, "--trial", f"{TARGETS}:checkpointed", sweep="lone.yaml"))
    assert first.code == 3
    assert run(*started(place, "--resume", sweep="lone.yaml")).code == 0
    assert rows(place, "SELECT metric, value, attempts FROM results") == [("attempt", 2.0, 2), ("step", 7.0, 2)]


# What trials do wrong

WRONG = {
    "raises": "ValueError: two lines (trials_of_tests.py:46)",
    "exits": "SystemExit: 3 (trials_of_tests.py:51)",
    "leaves": "its process left with exit code 3; raise an exception where something is wrong",
    "is killed": "its process was killed, as the system does where memory runs out; give it less to do, or fewer workers",
    "is ended": "its process was ended by SIGSEGV; look at its log",
    "hangs": "it took longer than 10 s and was ended; it was in trials_of_tests.py:55, <lambda>",
    "takes all memory": "MemoryError (trials_of_tests.py:56)",
    "cannot be sent": "TypeError: metric 'dice' is a function; return a number",
    "says nan": "ValueError: metric 'dice' is nan, which no mean can be taken of; look at its learning curve",
    "says nothing": "TypeError: the trial returned nothing; return a mapping of names to numbers, {'dice': 0.9}",
    "says a list": "TypeError: the trial returned a list; return a mapping of names to numbers, {'dice': 0.9}",
    "says none": "TypeError: the trial returned no metrics; return at least one, {'dice': 0.9}",
    "reports a word": "TypeError: metric 'loss' is a str; return a number (trials_of_tests.py:62)",
}


def test_each_fault_is_one_line_and_stops_no_other(place: Path, run: Command) -> None:
    """One seed for each; then things are put right, and resuming finishes them all."""
    arguments = ["--trial", f"{TARGETS}:wrong", "--repeat", str(len(WRONG)), "--timeout", "10", "--workers", "2"]
    outcome = run(*started(place, *arguments, sweep="lone.yaml"))
    out = place / "out"
    name = next(out.glob("*.yaml")).stem
    lines = [
        f"failed: {name}, seed {seed}: {sentence}; its log is {out}/trials/{name}/seed-{seed}/log.txt"
        for seed, sentence in enumerate(WRONG.values())
    ]
    assert sorted(outcome.err.splitlines()) == sorted(lines)
    assert outcome.code == 3
    assert outcome.out.endswith(f"\n0 trials finished, {len(WRONG)} failed; results are in {out}\n")
    (out / "right").touch()
    resumed = run(*started(place, "--resume", "--repeat", str(len(WRONG)), sweep="lone.yaml"))
    assert resumed.code == 0
    assert resumed.out.endswith(f"\n{len(WRONG)} trials finished; results are in {out}\n")


def test_a_traceback_is_in_the_log(place: Path, run: Command) -> None:
    run(*started(place, "--trial", f"{TARGETS}:wrong", sweep="lone.yaml"))
    log = next((place / "out" / "trials").glob("*/seed-0/log.txt")).read_text()
    assert log.startswith("Traceback (most recent call last):")
    assert log.endswith("ValueError: two\nlines\n")


def test_the_first_failure_may_be_the_last(place: Path, run: Command) -> None:
    outcome = run(*started(place, "--trial", f"{TARGETS}:wrong", "--fail-fast"))
    assert outcome.code == 3
    assert outcome.out.endswith(f"0 trials finished, 1 failed, 3 waiting; results are in {place / 'out'}\n")
    assert len(outcome.err.splitlines()) == 1


# What becomes of workers, of the run and of its disk


def in_background(place: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A run of trials that take a while, in a process of its own that heeds Ctrl-C."""

    def heeding() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", "unetgen", *started(place, *arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heeding, env=environment  # noqa: PLW1509
    )  # fmt: skip


def wait_for(met: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def done(place: Path) -> int:
    return sum(note.startswith("done") for note in notes(place))


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_loses_nothing_and_repeats_nothing(
    sign: signal.Signals, place: Path, run: Command
) -> None:
    child = in_background(
        place, "--trial", f"{TARGETS}:drawn", "--repeat", "3", "--with", "sleep=0.1", "--workers", "2"
    )
    wait_for(lambda: done(place) >= 3)
    workers = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    child.send_signal(sign)
    _, said = child.communicate()
    if sign == signal.SIGINT:
        assert child.returncode == 130
        assert said.decode() == f"interrupted; what is finished is in {place / 'out'}, --resume goes on\n"
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    finished = done(place)
    assert 3 <= finished < 12
    kept = {tuple(row) for row in rows(place, "SELECT * FROM metrics")}
    outcome = run(*started(place, "--resume", "--repeat", "3"))
    assert outcome.code == 0
    assert outcome.out.endswith(f"12 trials finished; results are in {place / 'out'}\n")
    assert kept <= {tuple(row) for row in rows(place, "SELECT * FROM metrics")}
    # One that was told to nobody may be at its very end when it dies; none that has left its receipt is done again.
    again = [note for note, times in notes(place).items() if note.startswith("done") and times > 1]
    assert len(again) <= 2
    assert done(place) == 12


def test_a_trial_that_finished_when_nobody_heard_is_not_run_again(place: Path, run: Command) -> None:
    """A run that is killed between a worker's receipt and its own note of it."""
    run(*started(place, "--trial", f"{TARGETS}:drawn", sweep="lone.yaml"))
    with closing(sqlite3.connect(place / "out" / "results.sqlite")) as opened, opened:
        opened.execute("UPDATE trials SET state = 'running'")
        opened.execute("DELETE FROM metrics")
        opened.execute("DELETE FROM curves")
    outcome = run(*started(place, "--resume", sweep="lone.yaml"))
    assert outcome.err == "1 finished before, 0 to do\n"
    assert len(rows(place, "SELECT * FROM metrics")) == 5
    assert len(rows(place, "SELECT * FROM curves")) == 2
    assert set(notes(place).values()) == {1}


def test_a_receipt_that_was_cut_short_is_none(tmp_path: Path) -> None:
    from unetgen.ablation.running.result import RECEIPT, receipt

    Result({"dice": 0.5}, ((1, {"loss": float("inf")}),), 2.0, device="cpu").leave(tmp_path)
    whole = receipt(tmp_path)
    assert whole == Result({"dice": 0.5}, ((1, {"loss": float("inf")}),), 2.0, device="cpu")
    (tmp_path / RECEIPT).write_text((tmp_path / RECEIPT).read_text()[:20])
    assert receipt(tmp_path) is None


def test_a_worker_that_is_killed_takes_one_trial_with_it(place: Path) -> None:
    class Killing(Listener):
        killed = 0

        def hear(self, event: Event) -> None:
            if isinstance(event, Started) and not self.killed:
                self.killed = 1
                for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                    if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGKILL)

    standings = unetgen.run(
        place / "sweep.yaml", f"{TARGETS}:drawn", out=place / "out", engine=Local(1), listener=Killing()
    )
    assert standings.counts() == {"finished": 3, "failed": 1, "running": 0, "waiting": 0}
    assert unetgen.run(place / "out", resume=True).counts()["finished"] == 4


def test_two_runs_at_once_in_one_directory(place: Path, run: Command) -> None:
    class Second(Listener):
        said = ""

        def planned(self, trials: Sequence[Trial], done: int) -> None:
            self.said = run(*started(place, "--resume", sweep="lone.yaml")).err

    second = Second()
    unetgen.run(place / "lone.yaml", f"{TARGETS}:drawn", out=place / "out", listener=second)
    assert second.said == f"another run is at work in {place / 'out'}; wait for it, or choose another directory\n"
    assert sorted(path.name for path in place.iterdir()) == ["lone.yaml", "out", "sweep.yaml"]


class Full(sqlite3.Connection):
    """A disk that has no more room after a while."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA max_page_count = 24")


def test_a_full_disk_keeps_what_is_finished(place: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(ledgers.sqlite3, "connect", lambda *a, **o: connect(*a, **o, factory=Full))
    outcome = run(*started(place, "--trial", f"{TARGETS}:drawn", "--repeat", "9", "--with", "epochs=99"))
    monkeypatch.undo()
    file = place / "out" / "results.sqlite"
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (f"{file}: database or disk is full; free space there, then --resume goes on\n")
    kept = rows(place, "SELECT count(*) FROM trials WHERE state = 'finished'")[0][0]
    assert 1 < kept < 36
    assert unetgen.run(place / "out", resume=True, repeat=9, engine=Local(2)).counts()["finished"] == 36
    # Only the one that was at work then was begun again.
    assert len({note.partition(" ")[2] for note, times in notes(place).items() if times > 1}) <= 1
    assert done(place) == 36


# What cannot begin


def refusals(place: Path) -> dict[tuple[str, ...], str]:
    there = f"{place / 'out'}"
    return {
        ("--trial", f"{TARGETS}:drwan"): f"{TARGETS}:drwan: {TARGETS} has no function 'drwan'; did you mean 'drawn'?",
        ("--trial", f"{TARGETS}:unfinished"): (
            f"{TARGETS}:unfinished: {TARGETS} has no function 'unfinished'; "
            "it has Any, Path, checkpointed, drawn, looking, noted, wrong"
        ),
        ("--trial", "nothing.py:fit"): "nothing.py:fit: there is no file nothing.py; check the path",
        ("--trial", "no_such_module:fit"): "no_such_module:fit: there is no module 'no_such_module'; check the name, or give a file",
        ("--trial", f"{place / 'broken.py'}:fit"): (
            f"{place / 'broken.py'}:fit: {place / 'broken.py'} cannot be imported: "
            "ModuleNotFoundError: No module named 'missing'; correct it"
        ),
        ("--trial", "fit"): "'fit' names no trial; write module:function, or file.py:function",
        ("--trial", f"{TARGETS}:drawn", "--with", "epoch=1"): f"{TARGETS}:drawn has no option 'epoch'; did you mean 'epochs'?",
        ("--trial", f"{TARGETS}:looking", "--with", "a=1"): f"{TARGETS}:looking has no option 'a'; it has none",
        ("--trial", "unetgen.trials:segmentation"): (
            "unetgen.trials:segmentation needs 'images' and 'masks'; add --with images=... --with masks=..."
        ),
        ("--trial", "os:getcwd"): (
            "os:getcwd cannot be called as trial(model, spec, context): too many positional arguments"
        ),
        (): "there is nothing to carry out; add --trial module:function",
        ("--resume",): f"{there} has no results to go on from; leave --resume out",
    }  # fmt: skip


def test_what_cannot_begin_says_why(place: Path, run: Command) -> None:
    (place / "broken.py").write_text("import missing\n")
    for arguments, sentence in refusals(place).items():
        outcome = run(*started(place, *arguments))
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"{sentence}\n"), arguments
    assert not (place / "out").exists()
    wrong = run(*started(place, "--trial", f"{TARGETS}:drawn", "--with", "epochs"))
    assert wrong.err.endswith("Error: --with 'epochs' says nothing; write --with NAME=VALUE\n")
    wrong = run(*started(place, "--trial", f"{TARGETS}:drawn", "--with", "epochs=[1"))
    assert wrong.err == (
        "--with epochs=[1:2:1: not valid YAML: did not find expected ',' or ']'; check brackets, quotes and indentation\n"
    )
    wrong = run(*started(place, "--trial", f"{TARGETS}:drawn", "--gpus", "1"))
    assert wrong.err.endswith("Error: --gpus and --address are for --engine ray; here --device chooses\n")
    nowhere = run("run", str(place / "sweep.yaml"), "-o", str(place / "no" / "out"), "--trial", f"{TARGETS}:drawn")
    assert nowhere.err == f"there is no folder {place / 'no'}; make it first\n"
    elsewhere = run("run", str(place), "-o", str(place / "out"), "--trial", f"{TARGETS}:drawn")
    assert elsewhere.err == f"{place} is written already; leave --out out, and its results lie in it\n"
    nothing = run("run", str(place), "--trial", f"{TARGETS}:drawn")
    assert (
        nothing.err
        == f"{place} is no sweep's directory; give a sweep's file, or what unetgen sweep --out has written\n"
    )


def test_a_directory_that_a_sweep_wrote_is_run_where_it_is(place: Path, run: Command) -> None:
    out = place / "out"
    run("sweep", str(place / "lone.yaml"), "--out", str(out), "--as", "overlay")
    outcome = run("run", str(out), "--trial", f"{TARGETS}:drawn")
    assert outcome.code == 0
    (out / "results.sqlite").unlink()
    assert run("run", str(out), "--trial", f"{TARGETS}:drawn").err == (
        f"{out / 'trials'} is there, of a run whose results are not; move it away\n"
    )


def test_a_spec_that_was_changed_by_hand_is_told(place: Path, run: Command) -> None:
    out = place / "out"
    run("sweep", str(place / "lone.yaml"), "--out", str(out))
    spec = next(out.glob("base-*.yaml"))
    spec.write_text(spec.read_text().replace("out_channels: 2", "out_channels: 3"))
    outcome = run("run", str(out), "--trial", f"{TARGETS}:drawn")
    assert (outcome.code, outcome.err) == (
        1, f"{spec} is not the network that the index lists; write the sweep again\n",
    )  # fmt: skip


def test_invalid_combinations_are_told_and_the_others_run(place: Path, run: Command) -> None:
    (place / "sweep.yaml").write_text(LONE.replace("[concat]", "[concat, mean]"))
    outcome = run(*started(place, "--trial", f"{TARGETS}:drawn"))
    assert outcome.code == 1
    assert "1 trial finished" in outcome.out
    assert outcome.err.startswith(f"{place / 'sweep.yaml'}:2:")
    (place / "sweep.yaml").write_text(LONE.replace("[concat]", "[concat, mean]") + "on_invalid: error\n")
    refused = run("run", str(place / "sweep.yaml"), "-o", str(place / "other"), "--trial", f"{TARGETS}:drawn")
    assert (refused.code, refused.out) == (1, "")
    assert not (place / "other").exists()


def test_python_runs_it_too_and_hears_of_it(place: Path) -> None:
    heard: list[Event] = []

    class Hearing(Listener):
        def hear(self, event: Event) -> None:
            heard.append(event)

    standings = unetgen.run(
        place / "lone.yaml", f"{TARGETS}:drawn", out=place / "out", options={"epochs": 2}, listener=Hearing()
    )
    assert [type(event).__name__ for event in heard] == ["Started", "Reported", "Reported", "Ended"]
    assert isinstance(heard[-1], Ended)
    assert heard[-1].result.metrics == {name: by[standings.base][0] for name, by in standings.metrics.items()}
    with pytest.raises(RunError):
        unetgen.run(place / "lone.yaml", f"{TARGETS}:drawn", out=place / "out")
