"""Forward, training step and peak memory of unetgen's networks, against the same networks written by hand.

    python -m benchmarks.network [--nets paper] [--measure time memory rss] [--pairs 15] [--full]

Weights and results are equal to the bit, or it stops. Ratios are unetgen's over the hand-written one's; 1 is the goal.
``memory`` has the allocator return each map to the system when it is freed, so that the peak is what is alive; ``rss``
is the same under the allocator as it is, whose leftovers differ from run to run.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys

from benchmarks.interleaved import COLUMNS, Ratios, conditions, interleaved, measured
from benchmarks.pair import TWINS, Pair, pair
from benchmarks.peak import forward, step
from benchmarks.table import Table

GOAL = "<= 1.02"
MODES = {"forward": forward, "step": step}
EXACT = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=65536"}
MEASURES = {"memory": ("peak memory", EXACT), "rss": ("peak RSS", {})}


def main() -> None:
    """Prints one row for each network and mode."""
    chosen = _arguments()
    table: Table | None = None
    for name in chosen.nets:
        twin = TWINS[name]
        width, size = (64, twin.full_size) if chosen.full else (twin.width, twin.size)
        both = pair(name, size, width) if "time" in chosen.measure else None
        if table is None:
            print(conditions())
            table = Table("unetgen / by hand", *COLUMNS, "goal", first=40)
        for mode in MODES if both else ():
            table.row(_title(f"{mode}, time", name, width, size), *_times(both, mode, chosen.pairs).cells(), GOAL)
        for measure, mode in itertools.product(MEASURES, MODES):
            if measure in chosen.measure:
                what, settings = MEASURES[measure]
                ratios = _peaks([name, mode, str(width), *map(str, size)], settings, chosen.memory_pairs)
                table.row(_title(f"{mode}, {what}", name, width, size), *ratios.cells(), GOAL)
    if "memory" in chosen.measure:
        print(f"peak memory: with {' '.join(map('='.join, EXACT.items()))}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nets", nargs="+", choices=list(TWINS), default=list(TWINS))
    parser.add_argument("--measure", nargs="+", choices=["time", *MEASURES], default=["time", "memory"])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--memory-pairs", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="the specs' own widths and sizes: seconds a call")
    return parser.parse_args()


def _title(what: str, name: str, width: int, size: tuple[int, ...]) -> str:
    return f"{name} {width}, {'x'.join(map(str, size))}: {what}"


def _times(both: Pair, mode: str, pairs: int) -> Ratios:
    ours, by_hand = (MODES[mode](model, both.image) for model in (both.ours, both.by_hand))
    return interleaved(ours, by_hand, pairs)


def _peaks(words: list[str], settings: dict[str, str], pairs: int) -> Ratios:
    def peak(side: str) -> float:
        child = [sys.executable, "-m", "benchmarks.peak", side, *words]
        environment = {**os.environ, **settings}
        return float(subprocess.run(child, check=True, capture_output=True, text=True, env=environment).stdout)

    return measured(lambda: peak("ours"), lambda: peak("by_hand"), pairs)


if __name__ == "__main__":
    main()
