"""unetgen run: every variant once for each seed, whatever happens to a trial, a worker, the run or the disk."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from test_sweep import CRASH

import unetgen
from support.command_line import Outcome
from support.paths import ROOT
from unetgen.ablation.results import database as ledgers
from unetgen.ablation.runs.engines.engine import Event, TrialFinished, TrialStarted
from unetgen.ablation.runs.engines.local import LocalEngine
from unetgen.ablation.runs.execution import TIMEOUT_TRACEBACK_FILE
from unetgen.ablation.runs.exit_reason import describe_exit
from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.trial import Trial, TrialLimits
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


class Planned(RunListener):
    """Hears what is to be carried out."""

    def on_planned(self, trials: Sequence[Trial], num_finished: int) -> None:
        self.trials, self.done = trials, num_finished


class Idle:
    """An engine that carries nothing out."""

    def events(self, trials: Sequence[Trial]) -> Iterator[Event]:
        yield from ()


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is carried out on the command line either."""
    monkeypatch.setattr(LocalEngine, "events", Idle.events)


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
    # Workers make no difference.
    found = rows(place, "SELECT * FROM metrics WHERE seed = 0 ORDER BY variant, name")
    assert len(found) == 20
    run("run", str(place / "sweep.yaml"), "-o", str(place / "two"), "--trial", f"{TARGETS}:drawn", "--workers", "2")
    with closing(sqlite3.connect(place / "two" / "results.sqlite")) as opened:
        assert opened.execute("SELECT * FROM metrics ORDER BY variant, name").fetchall() == found


def test_resuming_runs_what_is_missing_and_nothing_else(place: Path, run: Command) -> None:
    trial = ("--trial", f"{TARGETS}:drawn")
    run(*started(place, *trial, sweep="lone.yaml"))
    again = run(*started(place, *trial, sweep="lone.yaml"))
    assert (again.code, again.err) == (
        2, f"{place / 'out'} has results already; --resume goes on with what is missing there\n",
    )  # fmt: skip
    more = run(*started(place, "--resume", "--repeat", "2", sweep="lone.yaml"))
    assert (more.code, more.err) == (0, "1 finished before, 1 to do\n")
    assert set(notes(place).values()) == {1}
    # From the directory itself, with nothing to do; by somebody who hears of trials that nobody had heard of when they
    # finished, as where a run is killed between a worker's receipt and its own note of it.
    tables = "SELECT * FROM metrics", "SELECT * FROM curves"
    before = [rows(place, table) for table in tables]
    with closing(sqlite3.connect(place / "out" / "results.sqlite")) as opened, opened:
        opened.execute("UPDATE trials SET state = 'running' WHERE seed = 1")
        opened.execute("DELETE FROM metrics WHERE seed = 1")
        opened.execute("DELETE FROM curves WHERE seed = 1")
    last = run("run", str(place / "out"), "--resume")
    assert last.err == "2 finished before, 0 to do\n"
    assert last.out == more.out
    assert before == [rows(place, table) for table in tables]
    assert set(notes(place).values()) == {1}


def planned(place: Path, **options: Any) -> list[int]:
    """The seeds that a run which goes on would carry out for each of the four variants."""
    listener = Planned()
    unetgen.run(place / "sweep.yaml", out=place / "out", resume=True, engine=Idle(), listener=listener, **options)
    counts = Counter(trial.seed for trial in listener.trials)
    assert set(counts.values()) == {4}
    return list(counts)


def test_what_is_planned_is_missing_until_it_is_finished(place: Path) -> None:
    unetgen.run(place / "sweep.yaml", f"{TARGETS}:drawn", out=place / "out", repeat=2, seed=3, engine=Idle())
    assert planned(place) == planned(place, repeat=1) == planned(place, seed=4) == [3, 4]
    assert planned(place, repeat=3) == [3, 4, 5]
    assert planned(place, seed=9) == [3, 4, 5, 9]
    with pytest.raises(RunError) as error:
        planned(place, repeat=2**32)
    assert str(error.value) == "there are no seeds from 3 to 4294967298; take some from 0 to 4,294,967,295"


def test_what_is_not_the_same_run_is_refused(place: Path, run: Command, idle: None) -> None:
    out = place / "out"
    run(*started(place, "--trial", f"{TARGETS}:drawn", "--with", "epochs=1", sweep="lone.yaml"))
    was, way = f"{out} has results with", "give the same, or choose another directory"
    said = {
        ("sweep.yaml", "--resume"): (
            f"{place / 'sweep.yaml'} is not the sweep that {out} has results of; choose another directory"
        ),
        ("lone.yaml", "--resume", "--with", "epochs=2"): f"{was} options {{'epochs': 1}}, not {{'epochs': 2}}; {way}",
        ("lone.yaml", "--resume", "--trial", f"{TARGETS}:looking"): (
            f"{was} trial '{TARGETS}:drawn', not '{TARGETS}:looking'; {way}"
        ),
        ("lone.yaml", "--resume", "--plugin", "json"): f"{was} plugins [], not ['json']; {way}",
    }  # fmt: skip
    for (sweep, *arguments), sentence in said.items():
        assert run(*started(place, *arguments, sweep=sweep)).err == f"{sentence}\n"
    assert run("sweep", str(place / "sweep.yaml"), "--out", str(out)).err.endswith(
        "holds results.sqlite, which no sweep has written; choose another directory, or move it\n"
    )


def test_a_run_goes_on_from_anywhere(place: Path, run: Command, idle: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trial is named from where it was begun."""
    begun = place / "begun"
    begun.mkdir()
    (begun / "near.py").write_text("def fit(model, spec, context): ...\n")
    monkeypatch.chdir(begun)
    run("run", "../lone.yaml", "-o", "../out", "--trial", "near.py:fit")
    monkeypatch.chdir(place)
    listener = Planned()
    unetgen.run("out", resume=True, engine=Idle(), listener=listener)
    assert [(trial.cwd, trial.function_name) for trial in listener.trials] == [(begun, "near.py:fit")]
    begun.rename(place / "gone")
    outcome = run("run", "out", "--resume")
    assert (outcome.code, outcome.err) == (
        2, f"out has results of a run that was begun in {begun}, which is gone; put it back, with what the trial needs there\n",
    )  # fmt: skip


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


def test_a_curve_goes_on_where_the_next_attempt_does(tmp_path: Path) -> None:
    def told(ledger: ledgers.ResultsDatabase) -> list[tuple[int, float | None]]:
        return [(step, value) for *_, step, value in ledger.read_curves()]

    with ledgers.ResultsDatabase.create(tmp_path, {}, [ledgers.VariantRow("a", spec="x")], [0]) as ledger:
        ledger.start_trial("a", 0)
        for step in (1, 2, 3):
            ledger.record_metrics("a", 0, step, {"loss": 1.0})
        ledger.start_trial("a", 0)
        assert told(ledger) == [(1, 1.0), (2, 1.0), (3, 1.0)]
        ledger.record_metrics("a", 0, 2, {"loss": 2.0})  # it has a checkpoint of step 1
        assert told(ledger) == [(1, 1.0), (2, 2.0)]
        ledger.record_metrics("a", 0, 3, {"loss": 2.0})
        ledger.finish_trial("a", 0, {}, (), 1.0, "cpu", "killed")
        assert told(ledger) == [(1, 1.0), (2, 2.0), (3, 2.0)]
        ledger.start_trial("a", 0)
        ledger.finish_trial("a", 0, {"loss": 3.0}, [(1, {"loss": 3.0})], 1.0, "cpu", "")  # it has none
        assert told(ledger) == [(1, 3.0)]


# What trials do wrong


def placed(sentences: dict[str, str]) -> dict[str, str]:
    """Sentences with the lines of what goes wrong: ``{name}`` is a function's that raises, ``{}`` that of the key."""
    lines = TARGETS.read_text().splitlines()

    def line_of(name: str, key: str) -> str:
        start = f"def {name}(" if name else f'    "{key}":'
        first = next(number for number, line in enumerate(lines) if line.startswith(start))
        return str(next(n for n, line in enumerate(lines[first:], first + 1) if not name or "  raise " in line))

    found = {}
    for key, sentence in sentences.items():
        named = re.search(r"\{(\w*)\}", sentence)
        found[key] = sentence.replace(named[0], line_of(named[1], key)) if named else sentence
    return found


WRONG = placed(
    {
        "raises": "ValueError: two lines (trials_of_tests.py:{_raises})",
        "exits": "SystemExit: 3 (trials_of_tests.py:{})",
        "leaves": "its process left with exit code 3; raise an exception where something is wrong",
        "is killed": "its process was killed, as the system does where memory runs out; give it less to do, or fewer workers",
        "is ended": "its process was ended by SIGSEGV; look at its log",
        "hangs": "it took longer than 10 s and was ended; it was in trials_of_tests.py:{}, <lambda>",
        "takes all memory": "MemoryError (trials_of_tests.py:{})",
        "cannot be sent": "TypeError: metric 'dice' is a function; return a number",
        "says nan": "ValueError: metric 'dice' is nan, which no mean can be taken of; look at its learning curve",
        "says nothing": "TypeError: the trial returned nothing; return a mapping of names to numbers, {'dice': 0.9}",
        "says a list": "TypeError: the trial returned a list; return a mapping of names to numbers, {'dice': 0.9}",
        "says none": "TypeError: the trial returned no metrics; return at least one, {'dice': 0.9}",
        "reports a word": "TypeError: metric 'loss' is a str; return a number (trials_of_tests.py:{})",
    }
)


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
    log = (out / "trials" / name / "seed-0" / "log.txt").read_text()
    assert log.startswith("Traceback (most recent call last):")
    assert log.endswith("ValueError: two\nlines\n")
    (out / "right").touch()
    resumed = run(*started(place, "--resume", sweep="lone.yaml"))
    assert resumed.code == 0
    assert resumed.out.endswith(f"\n{len(WRONG)} trials finished; results are in {out}\n")


STRANGE = placed(
    {
        "raises what cannot be written": "ValueError: file \\udcff (trials_of_tests.py:{_unwritable})",
        "raises much": f"ValueError: {'x' * 488}... (trials_of_tests.py:{{_long}})",
        "raises what has no words": "_Mute, which cannot say what it is of (trials_of_tests.py:{_mute})",
        "has files of its own": "ValueError: late (trials_of_tests.py:{_files_of_its_own})",
        "reports a long step": (
            "ValueError: context.report was given a step of more than 63 bits; count steps from 0 or 1 "
            "(trials_of_tests.py:{})"
        ),
        "reports nothing": (
            "TypeError: context.report was given no metrics; give at least one, context.report(step, loss=0.5) "
            "(trials_of_tests.py:{})"
        ),
        "says much": "ValueError: metric 'm' is 1e+308, beyond 1e+150; return its logarithm, or another unit",
        "says more": "ValueError: metric 'm' is -inf, which no mean can be taken of; look at its learning curve",
    }
)


def test_no_trial_spoils_the_run_or_the_next(place: Path, run: Command) -> None:
    """All by one worker, and again where they go on."""
    from support import sample_trials as trials_of_tests

    outcome = run(
        *started(
            place, "--trial", f"{TARGETS}:strange", "--repeat", str(len(trials_of_tests._STRANGE)), sweep="lone.yaml"
        )
    )
    said = rows(place, "SELECT seed, error FROM trials WHERE state = 'failed' ORDER BY seed")
    assert said == list(enumerate(STRANGE.values()))
    assert len(outcome.err.splitlines()) == len(STRANGE)
    assert rows(place, "SELECT name, min(value), max(value), count(*) FROM metrics GROUP BY name") == [
        ("a\\udcff", 1, 1, 1), ("b", 1, 1, 1), ("fine", 1, 1, 7),
    ]  # fmt: skip
    names = list(trials_of_tests._STRANGE)
    logs = {names[int(file.parent.name[5:])]: file.read_text() for file in (place / "out").glob("trials/*/*/log.txt")}
    assert logs["raises what cannot be written"].startswith("\\udcff\nTraceback (most recent call last):")
    assert logs["looks"] == "all is well\n"
    assert logs["reports from a fork"] == "context.report is for the trial's own process; hand the numbers to it\n"
    # Those that a trial leaves behind tell nothing of the next one, and are ended with the run.
    assert rows(place, "SELECT DISTINCT seed FROM curves") == [(names.index("reports late"),)]
    wait_for(lambda: not any(map(alive, beside(place))))
    listener = Planned()
    unetgen.run(place / "out", resume=True, engine=Idle(), listener=listener)
    assert [trial.seed for trial in listener.trials] == list(range(len(STRANGE)))


def test_the_first_failure_may_be_the_last(place: Path, run: Command) -> None:
    outcome = run(*started(place, "--trial", f"{TARGETS}:wrong", "--fail-fast"))
    assert outcome.code == 3
    assert outcome.out.endswith(f"0 trials finished, 1 failed, 3 waiting; results are in {place / 'out'}\n")
    assert len(outcome.err.splitlines()) == 1


# What becomes of workers, of the run and of its disk


def in_background(place: Path, *arguments: str, sweep: str = "sweep.yaml") -> subprocess.Popen[bytes]:
    """A run of trials that take a while, in a process of its own that heeds Ctrl-C."""

    def heeding() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", "unetgen", *started(place, *arguments, sweep=sweep)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heeding, env=environment,  # noqa: PLW1509
        process_group=0,
    )  # fmt: skip


def beside(place: Path) -> list[int]:
    """The programs that trials have started beside them."""
    return [int(number) for number in (place / "out" / "beside.txt").read_text().split()]


def alive(process: int) -> bool:
    """Whether a process is at work; one that nobody has asked after any more is not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


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
        place, "--trial", f"{TARGETS}:drawn", "--repeat", "3", "--with", "sleep=0.1", "--workers", "2",
        "--with", "beside=true",
    )  # fmt: skip
    wait_for(lambda: done(place) >= 3)
    workers = children(child)
    if sign == signal.SIGINT:
        interrupted(child, place)
    else:
        child.send_signal(sign)
        child.communicate()
    wait_for(lambda: not any(map(alive, [*workers, *beside(place)])))
    finished = done(place)
    assert 3 <= finished < 12
    kept = {tuple(row) for row in rows(place, "SELECT * FROM metrics")}
    outcome = run(*started(place, "--resume"))
    assert outcome.code == 0
    assert outcome.out.endswith(f"12 trials finished; results are in {place / 'out'}\n")
    assert kept <= {tuple(row) for row in rows(place, "SELECT * FROM metrics")}
    # One that was told to nobody may be at its very end when it dies; none that has left its receipt is done again.
    again = [note for note, times in notes(place).items() if note.startswith("done") and times > 1]
    assert len(again) <= 2
    assert done(place) == 12


def children(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def interrupted(child: subprocess.Popen[bytes], place: Path) -> None:
    """Ctrl-C, as a terminal gives it to a whole group of processes."""
    os.killpg(child.pid, signal.SIGINT)
    said = child.communicate()[1].decode()
    assert (child.returncode, said) == (130, f"interrupted; what is finished is in {place / 'out'}, --resume goes on\n")


def test_a_run_that_is_interrupted_while_it_starts_says_one_line(place: Path) -> None:
    child = in_background(place, "--trial", f"{TARGETS}:drawn", sweep="lone.yaml")
    wait_for(lambda: len(children(child)) == 2)  # a worker, and what looks after its resources
    interrupted(child, place)


def test_a_receipt_that_was_cut_short_is_none(tmp_path: Path) -> None:
    from unetgen.ablation.runs.result import RESULT_FILE, read_result

    TrialResult({"dice": 0.5}, ((1, {"loss": float("inf")}),), 2.0, device="cpu").write(tmp_path)
    whole = read_result(tmp_path)
    assert whole == TrialResult({"dice": 0.5}, ((1, {"loss": float("inf")}),), 2.0, device="cpu")
    for other in ((tmp_path / RESULT_FILE).read_text()[:20], '"text"', "[]", '{"curves": {}}', '{"metrics": {"a": 1}}'):
        (tmp_path / RESULT_FILE).write_text(other)
        assert read_result(tmp_path) is None


def test_a_worker_that_is_killed_takes_one_trial_with_it(place: Path) -> None:
    class Killing(RunListener):
        killed = 0

        def on_event(self, event: Event) -> None:
            if isinstance(event, TrialStarted) and not self.killed:
                self.killed = 1
                for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                    if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGKILL)

    standings = unetgen.run(
        place / "sweep.yaml", f"{TARGETS}:drawn", out=place / "out", engine=LocalEngine(1), listener=Killing()
    )
    assert standings.counts() == {"finished": 3, "failed": 1, "running": 0, "waiting": 0}
    assert unetgen.run(place / "out", resume=True).counts()["finished"] == 4


def test_two_runs_at_once_in_one_directory(place: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever path they reach it."""
    out = place / "out"

    class Second(RunListener):
        said: list[str] = []

        def on_planned(self, trials: Sequence[Trial], num_finished: int) -> None:
            (place / "link").symlink_to(out)
            self.said.append(run(*started(place, "--resume", sweep="lone.yaml")).err)
            self.said.append(run("run", str(place / "link"), "--resume").err)
            monkeypatch.chdir(out)
            self.said.append(run("run", ".", "--resume").err)

    second = Second()
    unetgen.run(place / "lone.yaml", f"{TARGETS}:drawn", out=out, listener=second, engine=Idle())
    way = "wait for it, or choose another directory"
    assert second.said == [f"another run is at work in {path}; {way}\n" for path in (out, place / "link", ".")]
    assert sorted(path.name for path in place.iterdir()) == ["link", "lone.yaml", "out", "sweep.yaml"]


def test_what_keeps_other_runs_out_may_be_wanting(place: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = place / ".out.lock"
    lock.mkdir()
    trial = ("--trial", f"{TARGETS}:drawn")
    assert run(*started(place, *trial)).err == (
        f"{lock}, which keeps other runs out, cannot be made: IsADirectoryError: [Errno 21] Is a directory: '{lock}'; "
        "allow it, or choose another directory\n"
    )
    monkeypatch.setitem(sys.modules, "filelock", None)
    assert run(*started(place, *trial)).err == (
        "a run needs filelock, which is not installed; run: pip install 'unetgen[ablation]'\n"
    )


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
    assert unetgen.run(place / "out", resume=True, engine=LocalEngine(2)).counts()["finished"] == 36
    # Only the one that was at work then was begun again.
    assert len({note.partition(" ")[2] for note, times in notes(place).items() if times > 1}) <= 1
    assert done(place) == 36


def test_a_file_of_results_that_is_none_is_told(
    place: Path, run: Command, idle: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "PATIENCE", 0.1)
    run(*started(place, "--trial", f"{TARGETS}:drawn"))
    file = place / "out" / "results.sqlite"

    def resumed() -> str:
        outcome = run("run", str(place / "out"), "--resume")
        assert (outcome.code, outcome.out) == (2, "")
        return outcome.err

    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert resumed() == (
            f"{file}: database is locked; another program is writing to it; close it, then --resume goes on\n"
        )
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    assert resumed() == f"{file}: database disk image is malformed; put it right, or move it away\n"
    file.write_bytes(b"not a database at all" * 99)
    assert resumed() == f"{file}: file is not a database; put it right, or move it away\n"
    file.write_bytes(b"")
    assert resumed() == (f"{file} has no results of unetgen in it; put a copy back, or move {place / 'out'} away\n")


def test_a_run_that_was_killed_before_it_had_results_begins_anew(place: Path, run: Command, idle: None) -> None:
    run("sweep", str(place / "lone.yaml"), "--out", str(place / "out"))
    for name in ("results.sqlite.partial", "results.sqlite.partial-journal"):
        (place / "out" / name).write_text("half")
    outcome = run(*started(place, "--trial", f"{TARGETS}:drawn", sweep="lone.yaml"))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith(f"0 trials finished, 1 waiting; results are in {place / 'out'}\n")


def test_where_a_trial_hung_may_not_be_known(tmp_path: Path) -> None:
    trial = Trial("base", 0, 1, "t:f", tmp_path, tmp_path, limits=TrialLimits(timeout=2))
    trial.directory.mkdir(parents=True)
    (trial.directory / TIMEOUT_TRACEBACK_FILE).write_text("Timeout (0:00:02)!\n")
    assert describe_exit(trial, 1) == "it took longer than 2 s and was ended"


UNGUARDED = """\
import unetgen
unetgen.run({sweep!r}, {trial!r}, out={out!r})
"""


def test_a_script_that_would_run_itself_again_is_told(place: Path) -> None:
    said = UNGUARDED.format(sweep=str(place / "lone.yaml"), trial=f"{TARGETS}:drawn", out=str(place / "out"))
    (place / "script.py").write_text(said)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.endswith(
        "RunError: trials run in processes that read the script which starts them, and this one starts them again; "
        'put what it does under if __name__ == "__main__":\n'
    )


# What cannot begin


def refusals(place: Path) -> dict[tuple[str, ...], str]:
    there = f"{place / 'out'}"
    return {
        ("--trial", f"{TARGETS}:drwan"): f"{TARGETS}:drwan: {TARGETS} has no function 'drwan'; did you mean 'drawn'?",
        ("--trial", f"{TARGETS}:unfinished"): (
            f"{TARGETS}:unfinished: {TARGETS} has no function 'unfinished'; "
            "it has Any, Path, checkpointed, drawn, left_behind, looking, noted, strange"
        ),
        ("--trial", "nothing.py:fit"): "nothing.py:fit: there is no file nothing.py; check the path",
        ("--trial", "no_such_module:fit"): "no_such_module:fit: there is no module 'no_such_module'; check the name, or give a file",
        ("--trial", f"{place / 'broken.py'}:fit"): (
            f"{place / 'broken.py'}:fit: {place / 'broken.py'} cannot be imported: "
            "ModuleNotFoundError: No module named 'missing'; correct it"
        ),
        ("--trial", "pkg.bad:fit"): (
            "pkg.bad:fit: pkg.bad cannot be imported: ModuleNotFoundError: No module named 'pkg.nothere'; correct it"
        ),
        ("--trial", "pkg.none:fit"): "pkg.none:fit: there is no module 'pkg.none'; check the name, or give a file",
        ("--trial", "pkg.leaves:fit"): (
            "pkg.leaves:fit: pkg.leaves ends the program when it is imported (SystemExit: 5); "
            'put what it does as a script under if __name__ == "__main__":'
        ),
        ("--trial", f"{TARGETS}:drawn", "--timeout", "nan"): "a timeout of nan s is none; give seconds, up to 31,536,000 for a year",
        ("--trial", f"{TARGETS}:drawn", "--timeout", "1e12"): "a timeout of 1e+12 s is none; give seconds, up to 31,536,000 for a year",
        ("--trial", f"{TARGETS}:drawn", "--device", "foo"): "torch knows no device 'foo'; write cpu, cuda or cuda:1, or leave it out",
        ("--trial", f"{TARGETS}:drawn", "--device", "cuda:99"): (
            f"there is no device 'cuda:99', this machine has {torch.cuda.device_count()} GPUs; leave it out to have one chosen"
        ),
        ("--trial", f"{TARGETS}:drawn", "--seed", "5000000000"): (
            "there are no seeds from 5000000000 to 5000000000; take some from 0 to 4,294,967,295"
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


def test_what_cannot_begin_says_why(place: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "broken.py").write_text("import missing\n")
    (place / "pkg").mkdir()
    (place / "pkg" / "bad.py").write_text("import pkg.nothere\n")
    (place / "pkg" / "leaves.py").write_text("import sys\nsys.exit(5)\n")
    monkeypatch.syspath_prepend(str(place))
    for arguments, sentence in refusals(place).items():
        outcome = run(*started(place, *arguments))
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"{sentence}\n"), arguments
    assert not (place / "out").exists()
    wrong = run(*started(place, "--trial", f"{TARGETS}:drawn", "--with", "epochs"))
    assert wrong.err.endswith("Error: --with 'epochs' says nothing; write --with NAME=VALUE\n")
    wrong = run(*started(place, "--trial", f"{TARGETS}:drawn", "--with", "epochs=1", "--with", "epochs=2"))
    assert wrong.err.endswith("Error: --with epochs is given more than once; give it once\n")
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


def test_a_spec_that_was_changed_by_hand_is_told(place: Path, run: Command) -> None:
    out = place / "out"
    run("sweep", str(place / "lone.yaml"), "--out", str(out))
    spec = next(out.glob("base-*.yaml"))
    spec.write_text(spec.read_text().replace("out_channels: 2", "out_channels: 3"))
    outcome = run("run", str(out), "--trial", f"{TARGETS}:drawn")
    assert (outcome.code, outcome.err) == (
        1, f"{spec} is not the network that the index lists; write the sweep again\n",
    )  # fmt: skip


def test_invalid_combinations_are_told_and_the_others_run(place: Path, run: Command, idle: None) -> None:
    sweep = place / "sweep.yaml"
    sweep.write_text(LONE.replace("[concat]", "[concat, mean]"))
    outcome = run(*started(place, "--trial", f"{TARGETS}:drawn"))
    assert outcome.code == 1
    assert outcome.out.endswith(f"0 trials finished, 1 waiting; results are in {place / 'out'}\n")
    assert outcome.err.startswith(f"{sweep}:2:")
    assert run(*started(place, "--resume")) == outcome  # they are missing still
    text = sweep.read_text()
    sweep.write_text(text + "on_invalid: skip\n")
    skipped = run("run", str(sweep), "-o", str(place / "skipped"), "--trial", f"{TARGETS}:drawn")
    assert (skipped.code, skipped.err) == (0, outcome.err)
    sweep.write_text(text + "on_invalid: error\n")
    refused = run("run", str(sweep), "-o", str(place / "other"), "--trial", f"{TARGETS}:drawn")
    assert (refused.code, refused.out) == (1, "")
    assert not (place / "other").exists()


def test_a_plugin_that_fails_in_every_variant_leaves_nothing_to_run(
    place: Path, run: Command, own_plugins: None
) -> None:
    (place / "crash.py").write_text(CRASH)
    (place / "lone.yaml").write_text(re.sub("axes: .*", "axes: {block: [crash]}", LONE))
    arguments = ["--trial", f"{TARGETS}:drawn", "--plugin", str(place / "crash.py")]
    outcome = run(*started(place, *arguments, sweep="lone.yaml"))
    digest = hashlib.sha256(CRASH.encode()).hexdigest()[:8]
    assert (outcome.code, outcome.err) == (
        3, f"failed: encoder.0: block 'crash' of crash sha256:{digest} failed at level 0 of the encoder: "
        "RuntimeError: out of ink (in block=crash)\n",
    )  # fmt: skip


def test_python_runs_it_too_and_hears_of_it(place: Path, run: Command) -> None:
    """In a directory that a sweep wrote."""
    out = place / "out"
    run("sweep", str(place / "lone.yaml"), "--out", str(out), "--as", "overlay")
    heard: list[Event] = []

    class Hearing(RunListener):
        def on_event(self, event: Event) -> None:
            heard.append(event)

    standings = unetgen.run(out, f"{TARGETS}:drawn", options={"epochs": 2}, listener=Hearing())
    assert [type(event).__name__ for event in heard] == ["Started", "Reported", "Reported", "Ended"]
    assert isinstance(heard[-1], TrialFinished)
    assert heard[-1].result.metrics == {name: by[standings.base][0] for name, by in standings.metrics.items()}
    with pytest.raises(RunError):
        unetgen.run(out, f"{TARGETS}:drawn")
    (out / "results.sqlite").unlink()
    assert run("run", str(out), "--trial", f"{TARGETS}:drawn").err == (
        f"{out / 'trials'} is there, of a run whose results are not; move it away\n"
    )
