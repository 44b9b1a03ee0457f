"""Forward, training step and peak memory of unetgen's networks, against the same networks written by hand.

    python -m benchmarks.network [--nets paper] [--measure time memory] [--pairs 15] [--full]

Weights and results are equal to the bit, or it stops. Ratios are unetgen's over the hand-written one's; 1 is the goal.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.interleaved import COLUMNS, Ratios, conditions, interleaved, measured
from benchmarks.pair import TWINS, Pair, pair
from benchmarks.peak import forward, step
from benchmarks.table import Table

GOAL = "<= 1.02"
MODES = {"forward": forward, "step": step}


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
            table = Table("unetgen / by hand", *COLUMNS, "goal", first=44)
        for mode in MODES if both else ():
            table.row(_title(f"{mode}, time", name, width, size), *_times(both, mode, chosen.pairs).cells(), GOAL)
        for mode in MODES if "memory" in chosen.measure else ():
            ratios = _peaks(name, mode, width, size, chosen.memory_pairs)
            table.row(_title(f"{mode}, peak memory", name, width, size), *ratios.cells(), GOAL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nets", nargs="+", choices=list(TWINS), default=list(TWINS))
    parser.add_argument("--measure", nargs="+", choices=["time", "memory"], default=["time", "memory"])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--memory-pairs", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="the specs' own widths and sizes: seconds a call")
    return parser.parse_args()


def _title(what: str, name: str, width: int, size: tuple[int, ...]) -> str:
    return f"{name} {width} wide, {'x'.join(map(str, size))}: {what}"


def _times(both: Pair, mode: str, pairs: int) -> Ratios:
    ours, by_hand = (MODES[mode](model, both.image) for model in (both.ours, both.by_hand))
    return interleaved(ours, by_hand, pairs)


def _peaks(name: str, mode: str, width: int, size: tuple[int, ...], pairs: int) -> Ratios:
    def peak(side: str) -> float:
        words = [side, name, mode, str(width), *map(str, size)]
        child = [sys.executable, "-m", "benchmarks.peak", *words]
        return float(subprocess.run(child, check=True, capture_output=True, text=True).stdout)

    return measured(lambda: peak("ours"), lambda: peak("by_hand"), pairs)


if __name__ == "__main__":
    main()
