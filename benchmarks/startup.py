"""Measure processes of the command line against importing torch, and against an equivalent hand-written script.

    python -m benchmarks.startup [--pairs 11]

Ratios are unetgen's time over the other's. Files are cached and byte code is compiled: the first runs of each command
are not counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

from benchmarks.interleaved import COLUMNS, describe_machine, time_ratios
from benchmarks.table import Table

UNETGEN = ("-m", "unetgen")
IMPORT_TORCH = ("-c", "import torch")
BY_HAND = ("-m", "benchmarks.layer_table")
ROWS = (
    ("validate one spec / import torch", (*UNETGEN, "validate", "specs/unet_paper.yaml"), IMPORT_TORCH, "< 0.25"),
    ("--help / import torch", (*UNETGEN, "--help"), IMPORT_TORCH, "< 0.25"),
    ("build / by hand with torchinfo", (*UNETGEN, "build", "unet_paper"), BY_HAND, "<= 1.1"),
    ("build / import torch", (*UNETGEN, "build", "unet_paper"), IMPORT_TORCH, ""),
)


def main() -> None:
    """Print one row for each command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=int, default=11)
    pairs = parser.parse_args().pairs
    print(describe_machine())
    table = Table("unetgen / other", *COLUMNS, "goal", first=34)
    for title, ours, other, goal in ROWS:
        table.print_row(title, *time_ratios(make_process_run(ours), make_process_run(other), pairs).to_cells(), goal)


def make_process_run(arguments: tuple[str, ...], **environment: str) -> Callable[[], object]:
    """Return a function that runs a Python process with these arguments to its end."""

    def run() -> None:
        # If this variable were set, each run would compile all modules, and the measurement would be that.
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment}
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=env)

    return run


if __name__ == "__main__":
    main()
