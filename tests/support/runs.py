"""Sweeps, sample trials and processes for the tests of ``unetgen run``."""

from __future__ import annotations

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

from support.paths import TESTS
from unetgen.ablation.runs.engines.engine import Event
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.trial import Trial

SAMPLE_TRIALS = TESTS / "support" / "sample_trials.py"


SWEEP = """\
base: {extends: unet_milesial, widths: [4, 8], input_size: [16, 16]}
axes: {skip.fusion: [concat, add], bottleneck.block.repeats: [2, 3]}
"""


ONE_VARIANT_SWEEP = SWEEP.replace("[concat, add]", "[concat]").replace("[2, 3]", "[2]")


def run_arguments(sweep_dir: Path, *arguments: str, sweep: str = "sweep.yaml") -> list[str]:
    return ["run", str(sweep_dir / sweep), "-o", str(sweep_dir / "out"), *arguments]


def query_results(sweep_dir: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(sweep_dir / "out" / "results.sqlite")) as opened:
        return opened.execute(query).fetchall()


def read_notes(sweep_dir: Path) -> Counter[str]:
    file = sweep_dir / "out" / "notes.txt"
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


class PlanRecorder(RunListener):
    """Hears what is to be carried out."""

    def on_planned(self, trials: Sequence[Trial], num_finished: int) -> None:
        self.trials, self.done = trials, num_finished


class NullEngine:
    """An engine that carries nothing out."""

    def events(self, trials: Sequence[Trial]) -> Iterator[Event]:
        yield from ()


def with_line_numbers(sentences: dict[str, str]) -> dict[str, str]:
    """Sentences with the lines of what goes wrong: ``{name}`` is a function's that raises, ``{}`` that of the key."""
    lines = SAMPLE_TRIALS.read_text().splitlines()

    def line_of(name: str, key: str) -> str:
        start = f"def {name}(" if name else f'    "{key}":'
        first = next(number for number, line in enumerate(lines) if line.startswith(start))
        return str(next(n for n, line in enumerate(lines[first:], first + 1) if not name or "  raise " in line))

    found = {}
    for key, sentence in sentences.items():
        named = re.search(r"\{(\w*)\}", sentence)
        found[key] = sentence.replace(named[0], line_of(named[1], key)) if named else sentence
    return found


FAILURE_MESSAGES = with_line_numbers(
    {
        "raises": "ValueError: two lines (sample_trials.py:{_raises})",
        "exits": "SystemExit: 3 (sample_trials.py:{})",
        "leaves": "its process left with exit code 3; raise an exception where something is wrong",
        "is killed": "its process was killed, as the system does where memory runs out; give it less to do, or fewer workers",
        "is ended": "its process was ended by SIGSEGV; look at its log",
        "hangs": "it took longer than 10 s and was ended; it was in sample_trials.py:{}, <lambda>",
        "takes all memory": "MemoryError (sample_trials.py:{})",
        "cannot be sent": "TypeError: metric 'dice' is a function; return a number",
        "says nan": "ValueError: metric 'dice' is nan, which no mean can be taken of; look at its learning curve",
        "says nothing": "TypeError: the trial returned nothing; return a mapping of names to numbers, {'dice': 0.9}",
        "says a list": "TypeError: the trial returned a list; return a mapping of names to numbers, {'dice': 0.9}",
        "says none": "TypeError: the trial returned no metrics; return at least one, {'dice': 0.9}",
        "reports a word": "TypeError: metric 'loss' is a str; return a number (sample_trials.py:{})",
    }
)


MISBEHAVIOUR_MESSAGES = with_line_numbers(
    {
        "raises what cannot be written": "ValueError: file \\udcff (sample_trials.py:{_raise_unencodable})",
        "raises much": f"ValueError: {'x' * 488}... (sample_trials.py:{{_raise_long_message}})",
        "raises what has no words": "_UnprintableError, which cannot say what it is of (sample_trials.py:{_raise_unprintable})",
        "has files of its own": "ValueError: late (sample_trials.py:{_writes_colliding_files})",
        "reports a long step": (
            "ValueError: context.report was given a step of more than 63 bits; count steps from 0 or 1 "
            "(sample_trials.py:{})"
        ),
        "reports nothing": (
            "TypeError: context.report was given no metrics; give at least one, context.report(step, loss=0.5) "
            "(sample_trials.py:{})"
        ),
        "says much": "ValueError: metric 'm' is 1e+308, beyond 1e+150; return its logarithm, or another unit",
        "says more": "ValueError: metric 'm' is -inf, which no mean can be taken of; look at its learning curve",
    }
)


def start_in_background(sweep_dir: Path, *arguments: str, sweep: str = "sweep.yaml") -> subprocess.Popen[bytes]:
    """A run of trials that take a while, in a process of its own that heeds Ctrl-C."""

    def heeding() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", "unetgen", *run_arguments(sweep_dir, *arguments, sweep=sweep)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heeding, env=environment,  # noqa: PLW1509
        process_group=0,
    )  # fmt: skip


def background_program_pids(sweep_dir: Path) -> list[int]:
    """The programs that trials have started beside them."""
    return [int(number) for number in (sweep_dir / "out" / "beside.txt").read_text().split()]


def is_process_running(process: int) -> bool:
    """Whether a process is at work; one that nobody has asked after any more is not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_until(met: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def num_completed(sweep_dir: Path) -> int:
    return sum(note.startswith("done") for note in read_notes(sweep_dir))


def child_pids(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def interrupt_and_check(child: subprocess.Popen[bytes], sweep_dir: Path) -> None:
    """Ctrl-C, as a terminal gives it to a whole group of processes."""
    os.killpg(child.pid, signal.SIGINT)
    said = child.communicate()[1].decode()
    assert (child.returncode, said) == (
        130,
        f"interrupted; what is finished is in {sweep_dir / 'out'}, --resume goes on\n",
    )
