"""Measure the overhead of ``unetgen run`` per trial, and whether it grows with the number of trials.

    python -m benchmarks.trials [--trials 2000] [--measure local ray]

local: two workers on this machine. ray: Ray tasks on this machine. The columns are the time per trial in milliseconds,
without the start of workers; the last quarter's time over the first quarter's, which is 1 if the overhead is constant;
the parent's memory; and the time of another connection's query to the results during the run.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import unetgen
from benchmarks.interleaved import describe_machine
from benchmarks.table import Table
from unetgen.ablation.runs.engines.engine import Event, TrialFinished
from unetgen.ablation.runs.engines.local import LocalEngine
from unetgen.ablation.runs.engines.ray import RayEngine
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.trial import TrialLimits

SWEEP = """\
base: {extends: unet_milesial, widths: [2, 2], input_size: [8, 8]}
axes:
  skip.fusion: [concat, add]
  block.dropout: [%s]
"""

ENGINES = {"local": lambda: LocalEngine(2), "ray": lambda: RayEngine(address="local")}


def do_nothing(model: Any, spec: Any, context: Any) -> dict[str, float]:
    """Return the seed, as a trial without work."""
    return {"seed": context.seed}


def main() -> None:
    """Print one row for each engine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trials", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--trials", type=int, default=2000)
    arguments = parser.parse_args()
    print(describe_machine())
    table = Table("unetgen run", "ms a trial", "last / first quarter", "peak MiB", "trials", "readable", first=12)
    for name in arguments.measure:
        with tempfile.TemporaryDirectory() as folder:
            table.print_row(name, *measure_engine(ENGINES[name](), Path(folder), arguments.trials))


def measure_engine(engine: Any, folder: Path, trials: int) -> Sequence[str]:
    """Return the cells of an engine's row."""
    rates = ", ".join(f"0.{number:04d}" for number in range(1, trials // 2 + 1))
    (folder / "sweep.yaml").write_text(SWEEP % rates)
    clock = TrialClock(folder / "out" / "results.sqlite")
    results = unetgen.run(
        folder / "sweep.yaml", "benchmarks.trials:do_nothing", out=folder / "out", engine=engine, listener=clock,
        conditions=TrialLimits(threads=1),
    )  # fmt: skip
    ends = clock.end_times
    intervals = [after - before for before, after in pairwise(ends)]
    quarter = len(intervals) // 4
    growth = (ends[-1] - ends[-1 - quarter]) / (ends[quarter] - ends[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    finished = results.counts()["finished"]
    return (
        f"{1000 * sum(intervals) / len(intervals):.1f}",
        f"{growth:.2f}",
        f"{peak:.0f}",
        str(finished),
        f"{median(clock.read_times_ms):.1f} ms",
    )


class TrialClock(RunListener):
    """Records when trials end, and times a query to the results after every 200."""

    def __init__(self, file: Path) -> None:
        self.file, self.end_times, self.read_times_ms = file, [], []

    def on_event(self, event: Event) -> None:
        if not isinstance(event, TrialFinished):
            return
        self.end_times.append(perf_counter())
        if len(self.end_times) % 200 == 0:
            with closing(sqlite3.connect(self.file)) as connection:
                connection.execute("SELECT count(*) FROM trials WHERE state = 'finished'").fetchone()
            self.read_times_ms.append(1000 * (perf_counter() - self.end_times[-1]))


if __name__ == "__main__":
    main()
