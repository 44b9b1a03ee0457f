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


IN_PROCESS = ("--workers", "0")  # no worker to start, which takes two seconds
TIMEOUT_S = 30  # covers the imports of a worker that starts on a busy machine


def run_arguments(sweep_dir: Path, *arguments: str, sweep: str = "sweep.yaml") -> list[str]:
    return ["run", str(sweep_dir / sweep), "-o", str(sweep_dir / "out"), *arguments]


def query_results(sweep_dir: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(sweep_dir / "out" / "results.sqlite")) as opened:
        return opened.execute(query).fetchall()


def read_notes(sweep_dir: Path) -> Counter[str]:
    file = sweep_dir / "out" / "notes.txt"
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


class PlanRecorder(RunListener):
    """Records the trials that a run plans."""

    def on_planned(self, trials_to_run: Sequence[Trial], num_finished_before: int) -> None:
        self.trials, self.done = trials_to_run, num_finished_before


class NullEngine:
    """An engine that runs no trials."""

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        yield from ()


def with_line_numbers(sentences: dict[str, str]) -> dict[str, str]:
    """Fill in line numbers of the sample trials: ``{name}`` is where a function raises, ``{}`` the line of the key."""
    lines = SAMPLE_TRIALS.read_text().splitlines()

    def line_of(name: str, key: str) -> str:
        start = f"def {name}(" if name else f'    "{key}":'
        first = next(number for number, line in enumerate(lines) if line.startswith(start))
        return str(next(n for n, line in enumerate(lines[first:], first + 1) if not name or "  raise " in line))

    filled = {}
    for key, sentence in sentences.items():
        placeholder = re.search(r"\{(\w*)\}", sentence)
        filled[key] = sentence.replace(placeholder[0], line_of(placeholder[1], key)) if placeholder else sentence
    return filled


FAILURE_MESSAGES = with_line_numbers(
    {
        "raises": "ValueError: two lines (sample_trials.py:{_raises})",
        "exits": "SystemExit: 3 (sample_trials.py:{})",
        "leaves": "its process exited with code 3; raise an exception on errors instead",
        "is killed": "its process was killed, possibly out of memory; reduce its memory, or use fewer workers",
        "is ended": "its process was terminated by SIGSEGV; see its log",
        "hangs": f"timed out after {TIMEOUT_S} s, at sample_trials.py:{{}}, <lambda>",
        "takes all memory": "MemoryError (sample_trials.py:{})",
        "cannot be sent": "TypeError: metric 'dice' is a function; return a number",
        "says nan": "ValueError: metric 'dice' is NaN; check its learning curve",
        "says nothing": "TypeError: the trial returned None; return a mapping of names to numbers, {'dice': 0.9}",
        "says a list": "TypeError: the trial returned a list; return a mapping of names to numbers, {'dice': 0.9}",
        "says none": "TypeError: the trial returned no metrics; return at least one, {'dice': 0.9}",
        "reports a word": "TypeError: metric 'loss' is a str; return a number (sample_trials.py:{})",
    }
)


MISBEHAVIOUR_MESSAGES = with_line_numbers(
    {
        "raises what cannot be written": "ValueError: file \\udcff (sample_trials.py:{_raise_unencodable})",
        "raises much": f"ValueError: {'x' * 488}... (sample_trials.py:{{_raise_long_message}})",
        "raises what has no words": "_UnprintableError (its message cannot be shown) (sample_trials.py:{_raise_unprintable})",
        "has files of its own": "ValueError: late (sample_trials.py:{_writes_colliding_files})",
        "reports a long step": (
            "ValueError: context.report got a step of more than 63 bits; count steps from 0 or 1 (sample_trials.py:{})"
        ),
        "reports nothing": (
            "TypeError: context.report got no metrics; pass at least one, context.report(step, loss=0.5) "
            "(sample_trials.py:{})"
        ),
        "says much": "ValueError: metric 'm' is 1e+308, larger than 1e+150; return its logarithm, or use another unit",
        "says more": "ValueError: metric 'm' is -inf; check its learning curve",
    }
)


def start_in_background(sweep_dir: Path, *arguments: str, sweep: str = "sweep.yaml") -> subprocess.Popen[bytes]:
    """Start a run of slow trials in a process that Ctrl-C interrupts."""

    def restore_ctrl_c() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", "unetgen", *run_arguments(sweep_dir, *arguments, sweep=sweep)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=restore_ctrl_c, env=environment,  # noqa: PLW1509
        process_group=0,
    )  # fmt: skip


def background_program_pids(sweep_dir: Path) -> list[int]:
    """Return the process ids of the programs that trials started."""
    return [int(number) for number in (sweep_dir / "out" / "beside.txt").read_text().split()]


def is_process_running(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_until(condition: Callable[[], Any], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not reached within {seconds:g} s"
        time.sleep(0.02)


def num_completed(sweep_dir: Path) -> int:
    return sum(note.startswith("done") for note in read_notes(sweep_dir))


def child_pids(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def interrupt_and_check(child: subprocess.Popen[bytes], sweep_dir: Path) -> None:
    """Press Ctrl-C, which a terminal sends to a process group, and check the exit code and the message."""
    os.killpg(child.pid, signal.SIGINT)
    stderr = child.communicate()[1].decode()
    assert (child.returncode, stderr) == (
        130,
        f"interrupted; finished trials are in {sweep_dir / 'out'}; use --resume to continue\n",
    )
