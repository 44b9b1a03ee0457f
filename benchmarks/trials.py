"""unetgen run with trials that do nothing: what each costs beside itself, and whether that grows with their number.

    python -m benchmarks.trials [--trials 2000] [--measure local ray]

local: two workers of this machine. ray: tasks of Ray on this machine. Told are ms for one trial, of the whole run
without the start of its workers, the last quarter's time over the first quarter's, which is 1 where nothing grows, the
parent's memory, and how long somebody else takes who asks the results a question while they are made.
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
    """A trial that does nothing."""
    return {"seed": context.seed}


def main() -> None:
    """Prints one row for each engine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trials", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--trials", type=int, default=2000)
    chosen = parser.parse_args()
    print(describe_machine())
    table = Table("unetgen run", "ms a trial", "last / first quarter", "peak MiB", "trials", "readable", first=12)
    for name in chosen.measure:
        with tempfile.TemporaryDirectory() as folder:
            table.print_row(name, *measure_engine(ENGINES[name](), Path(folder), chosen.trials))


def measure_engine(engine: Any, folder: Path, trials: int) -> Sequence[str]:
    """The row of an engine."""
    rates = ", ".join(f"0.{number:04d}" for number in range(1, trials // 2 + 1))
    (folder / "sweep.yaml").write_text(SWEEP % rates)
    clock = TrialClock(folder / "out" / "results.sqlite")
    standings = unetgen.run(
        folder / "sweep.yaml", "benchmarks.trials:nothing", out=folder / "out", engine=engine, listener=clock,
        conditions=TrialLimits(threads=1),
    )  # fmt: skip
    ends = clock.end_times
    gaps = [after - before for before, after in pairwise(ends)]
    quarter = len(gaps) // 4
    growth = (ends[-1] - ends[-1 - quarter]) / (ends[quarter] - ends[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    finished = standings.counts()["finished"]
    return (
        f"{1000 * sum(gaps) / len(gaps):.1f}",
        f"{growth:.2f}",
        f"{peak:.0f}",
        str(finished),
        f"{median(clock.read_times_ms):.1f} ms",
    )


class TrialClock(RunListener):
    """When trials ended; now and then it reads the results as anybody might."""

    def __init__(self, file: Path) -> None:
        self.file, self.end_times, self.read_times_ms = file, [], []

    def on_event(self, event: Event) -> None:
        if not isinstance(event, TrialFinished):
            return
        self.end_times.append(perf_counter())
        if len(self.end_times) % 200 == 0:
            with closing(sqlite3.connect(self.file)) as opened:
                opened.execute("SELECT count(*) FROM trials WHERE state = 'finished'").fetchone()
            self.read_times_ms.append(1000 * (perf_counter() - self.end_times[-1]))


if __name__ == "__main__":
    main()
