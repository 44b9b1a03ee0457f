"""Measure the analysis of a spec's variants against building each on the meta device and running torchinfo.

    python -m benchmarks.analysis [--batches 15] [--size 16]

A variant is analysed from the Spec in memory: its graph is built, and its sizes, parameters and MACs are computed. The
other side builds the same hand-written network on torch's meta device and runs torchinfo. Every variant has different
widths and is used once, so no cache helps; both must count the same parameters. Ratios are torchinfo's time over
unetgen's: the speed-up. Torch's own objects are excluded from garbage collection on both sides, because otherwise one
side would occasionally pay for all of them.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from statistics import median
from time import perf_counter

import torch
import torchinfo

from benchmarks.interleaved import COLUMNS, Ratios, describe_machine
from benchmarks.pair import TWINS, Twin
from benchmarks.table import Table
from unetgen import Spec, load_spec
from unetgen.analysis.cost import Cost, total_cost
from unetgen.graph.from_spec import build_graph

Variant = tuple[int, Spec]


def main() -> None:
    """Print one row for each network, with the number of variants per second."""
    arguments = _parse_arguments()
    torch.set_num_threads(1)
    print(describe_machine())
    table = Table("torchinfo / unetgen", *COLUMNS, "goal", "unetgen per second on this machine", first=22)
    for name, twin in TWINS.items():
        ratios, seconds = compare_speed(twin, arguments.batches, arguments.size)
        table.print_row(name, *ratios.to_cells(".1f"), ">= 50", f"{1 / seconds:,.0f}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analysis", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--batches", type=int, default=15, help="pairs of batches")
    parser.add_argument("--size", type=int, default=16, help="variants in a batch")
    return parser.parse_args()


def compare_speed(twin: Twin, batches: int, size: int) -> tuple[Ratios, float]:
    """Return the ratios for batches of variants, and unetgen's median time for a variant in seconds."""
    supply, ratios, seconds = iter_variants(twin), [], []
    for index in range(-1, batches):
        gc.freeze()
        by_torchinfo, by_unetgen = _time_batch(twin, list(islice(supply, size)), unetgen_first=index % 2 == 0)
        if index >= 0:  # batch -1 warms up
            ratios.append(by_torchinfo / by_unetgen)
            seconds.append(by_unetgen / size)
    return Ratios(tuple(ratios)), median(seconds)


def _time_batch(twin: Twin, batch: list[Variant], *, unetgen_first: bool) -> tuple[float, float]:
    """Return the times of torchinfo and unetgen for one batch, in seconds."""
    jobs = [partial(_count_with_torchinfo, twin, batch), partial(_count_with_unetgen, batch)]
    results = {job: _measure_time(job) for job in (reversed(jobs) if unetgen_first else jobs)}
    (by_torchinfo, theirs), (by_unetgen, ours) = (results[job] for job in jobs)
    assert ours == theirs, "parameter counts differ"
    return by_torchinfo, by_unetgen


def _count_with_unetgen(batch: list[Variant]) -> list[int]:
    return [analyze(spec).params for _, spec in batch]


def _count_with_torchinfo(twin: Twin, batch: list[Variant]) -> list[int]:
    return [summarize(twin, width, spec) for width, spec in batch]


def _measure_time(job: Callable[[], list[int]]) -> tuple[float, list[int]]:
    start = perf_counter()
    result = job()
    return perf_counter() - start, result


def iter_variants(twin: Twin) -> Iterator[Variant]:
    """Yield widths with specs that differ in all their widths."""
    for width in count(8, step=2):
        yield width, load_spec(twin.spec, **twin.overrides(width))


def analyze(spec: Spec) -> Cost:
    """Return the cost of a spec at its input size."""
    assert spec.input_size is not None
    graph = build_graph(spec)
    return total_cost(graph, graph.sizes(spec.input_size))


def summarize(twin: Twin, width: int, spec: Spec) -> int:
    """Return the number of parameters that torchinfo counts in the hand-written network."""
    assert spec.input_size is not None
    with torch.device("meta"):
        model = twin.handwritten(width=width)
    shape = (1, spec.in_channels, *spec.input_size)
    return int(torchinfo.summary(model, input_size=shape, device="meta", verbose=0).total_params)


if __name__ == "__main__":
    main()
