"""Measure the forward pass, training step and peak memory of unetgen's networks against hand-written ones.

    python -m benchmarks.network [--nets paper] [--measure time memory calls rss] [--pairs 15] [--full]

It stops if weights or results are not equal bit by bit. Ratios are unetgen's over the hand-written network's; the goal
is 1. With ``memory``, the allocator returns each freed map to the system, so that the peak is the live memory; ``rss``
is the same with the default allocator, whose retained memory differs between runs. ``calls`` measures networks with two
channels on small images and on one thread, for which the layers' computation is small compared with the calls.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator

import torch

from benchmarks.interleaved import COLUMNS, Ratios, describe_machine, measure_ratios, time_ratios
from benchmarks.pair import TWINS, build_pair
from benchmarks.peak import make_forward, make_training_step
from benchmarks.table import Table

GOAL = "<= 1.02"
MODES = {"forward": make_forward, "step": make_training_step}
EXACT_MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=65536"}
MEASURES = ("time", "memory", "calls", "rss")


def main() -> None:
    """Print one row for each network, measure and mode."""
    arguments = _parse_arguments()
    print(describe_machine())
    if "memory" in arguments.measure:
        print(f"memory: in processes with {' '.join(map('='.join, EXACT_MALLOC.items()))}")
    table = Table("unetgen / by hand", *COLUMNS, "goal", first=42)
    for name, measure in itertools.product(arguments.nets, arguments.measure):
        twin = TWINS[name]
        width, size = (64, twin.full_size) if arguments.full else (twin.width, twin.size)
        if measure == "calls":
            width, size = 2, twin.small_size
        for mode, ratios in _measure_modes(measure, name, width, size, arguments):
            title = f"{name} {width}, {'x'.join(map(str, size))}: {mode}, {measure}"
            table.print_row(title, *ratios.to_cells(), "" if measure == "calls" else GOAL)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nets", nargs="+", choices=list(TWINS), default=list(TWINS))
    parser.add_argument("--measure", nargs="+", choices=MEASURES, default=["time", "memory"])
    parser.add_argument("--pairs", type=int, default=15, help="pairs of times; ten times as many of calls")
    parser.add_argument("--memory-pairs", type=int, default=3, help="pairs of processes")
    parser.add_argument("--full", action="store_true", help="the specs' own widths and sizes: seconds a call")
    return parser.parse_args()


def _measure_modes(
    measure: str, name: str, width: int, size: tuple[int, ...], arguments: argparse.Namespace
) -> Iterator[tuple[str, Ratios]]:
    """Yield each mode with its ratios."""
    if measure in ("time", "calls"):
        pair = build_pair(name, size, width)
        num_pairs, threads = arguments.pairs * (10 if measure == "calls" else 1), torch.get_num_threads()
        torch.set_num_threads(1 if measure == "calls" else threads)
        for mode, make_run in MODES.items():
            ours, by_hand = make_run(pair.ours, pair.image), make_run(pair.handwritten, pair.image)
            yield mode, time_ratios(ours, by_hand, num_pairs)
        torch.set_num_threads(threads)
        return
    for mode in MODES:
        command = [name, mode, str(width), *map(str, size)]
        yield mode, _measure_peaks(command, EXACT_MALLOC if measure == "memory" else {}, arguments.memory_pairs)


def _measure_peaks(arguments: list[str], settings: dict[str, str], pairs: int) -> Ratios:
    """Measure the ratios of peaks, each in a separate process."""

    def measure_peak(side: str) -> float:
        command = [sys.executable, "-m", "benchmarks.peak", side, *arguments]
        environment = {**os.environ, **settings}
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    return measure_ratios(lambda: measure_peak("ours"), lambda: measure_peak("by_hand"), pairs)


if __name__ == "__main__":
    main()
