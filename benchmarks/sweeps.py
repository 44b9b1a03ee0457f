"""Measure sweeps against building each variant on the meta device, and matched sweeps against unmatched ones.

    python -m benchmarks.sweeps [--measure stream|whole|matching] [--batches 15] [--size 16]

stream: random variants of a grid of 10,000 are generated, validated, deduplicated by hash, named and costed; then torch
builds the same networks on its meta device and torchinfo summarises them. Ratios are torch's time over unetgen's, in
alternating batches. Both must count the same parameters.

whole: all 10,000 variants of the grid on one core, and the memory of the process.

matching: a grid of 216 with its parameters matched to the base's, over the same grid unmatched, per evaluated network.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any

import torch
import torchinfo

import unetgen
from benchmarks.interleaved import COLUMNS, Ratios, describe_machine
from benchmarks.table import Table
from unetgen.ablation.sweeps.sweep import Sweep
from unetgen.ablation.sweeps.variant import Variant

TEN_THOUSAND = """
base: unet_milesial
axes:
  input_size: [[64, 64]]
  skip.fusion: [concat, add]
  skip.transform: [none, residual_path, attention_gate]
  upsample: [transposed_conv, {type: interpolate, mode: linear}, {type: interpolate, mode: nearest}]
  block: [{type: conv, padding: zeros}, {type: residual, padding: zeros}]
  block.norm: [none, batch, instance]
  block.activation: [relu, elu, gelu, silu]
  block.repeats: [1, 2, 3]
  depth: [3, 4]
  widths: {narrow: {widths.base: 16}, usual: {widths.base: 32}, wide: {widths.base: 48}, widest: {widths.base: 64}}
"""

TWO_HUNDRED = """
base: {extends: unet_milesial, widths: [32, 64, 128, 256], input_size: [64, 64]}
axes:
  dims: {plane: {}, volume: {dims: 3, input_size: [16, 16, 16]}}
  skip.fusion: [concat, add, none]
  upsample: [transposed_conv, {type: interpolate, mode: linear}, pixel_shuffle]
  depth: [2, 3]
  block: [{type: conv, padding: zeros}, {type: residual, padding: zeros}, {type: convnext, padding: zeros}]
  block.norm: [batch, {type: group, groups: 8}]
"""


def main() -> None:
    """Print one row for each selected measure."""
    arguments = _parse_arguments()
    torch.set_num_threads(1)
    print(describe_machine())
    for name, measure in _MEASURES.items():
        if arguments.measure in (name, "all"):
            measure(arguments)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", choices=["stream", "whole", "matching", "all"], default="all")
    parser.add_argument("--batches", type=int, default=15, help="pairs of batches")
    parser.add_argument("--size", type=int, default=16, help="variants in a batch")
    return parser.parse_args()


def measure_stream(arguments: argparse.Namespace) -> None:
    """Measure batches of variants with unetgen and with torch."""
    count = (arguments.batches + 1) * arguments.size
    supply = iter_variants(unetgen.sweep(TEN_THOUSAND + f"mode: {{type: sample, n: {4 * count}, seed: 0}}\n"))
    ratios = []
    for index in range(-1, arguments.batches):
        ours, variants = measure_time(lambda: list(islice(supply, arguments.size)))
        theirs, params = measure_time(lambda batch=variants: [summarize(v) for v in batch])  # type: ignore[misc]
        assert [variant.report.cost.params for variant in variants] == params, "parameter counts differ"
        if index >= 0:  # batch -1 warms up
            ratios.append(theirs / ours)
    table = Table("meta device and torchinfo / sweep", *COLUMNS, "goal", first=34)
    table.print_row("variants of a grid of 10,000", *Ratios(tuple(ratios)).to_cells(".1f"), ">= 50")


def measure_whole(arguments: argparse.Namespace) -> None:
    """Measure the complete grid and its memory."""
    sweep = unetgen.sweep(TEN_THOUSAND)
    start, peaks = perf_counter(), []
    for index, _ in enumerate(iter_variants(sweep)):
        if index % 2000 == 0:
            peaks.append(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
    seconds = perf_counter() - start
    print(f"{sweep.count:,} combinations in {seconds:.1f} s on this machine; peak MiB every 2,000: {', '.join(peaks)}")


def measure_matching(arguments: argparse.Namespace) -> None:
    """Measure a matched over an unmatched grid, per evaluated network."""
    ratios = []
    for _ in range(max(arguments.batches // 3, 1)):
        unmatched_seconds, unmatched = measure_time(lambda: list(iter_variants(unetgen.sweep(TWO_HUNDRED))))
        matched_seconds, matched = measure_time(
            lambda: list(iter_variants(unetgen.sweep(TWO_HUNDRED + "match: {params: base}\n")))
        )
        num_evaluated = sum(variant.match.num_evaluations for variant in matched if variant.match)
        ratios.append((matched_seconds / num_evaluated) / (unmatched_seconds / len(unmatched)))
    table = Table("matched / unmatched, per network", *COLUMNS, "evaluated per variant", "goal", first=34)
    per_variant = f"{num_evaluated / len(matched):.1f}"
    table.print_row(f"a grid of {len(unmatched)}", *Ratios(tuple(ratios)).to_cells(".2f"), per_variant, "<= 2")


def iter_variants(sweep: Sweep) -> Iterator[Variant]:
    """Yield the variants of a sweep with their costs and names."""
    for outcome in sweep.outcomes():
        if isinstance(outcome, Variant):
            assert outcome.report.cost.macs
            assert outcome.name
            yield outcome


def summarize(variant: Variant) -> int:
    """Return the number of parameters that torchinfo counts in a network on the meta device."""
    model = unetgen.build(variant.report.spec, device="meta")
    shape = (1, *variant.report.in_shape)
    return int(torchinfo.summary(model, input_size=shape, device="meta", verbose=0).total_params)


def measure_time(job: Callable[[], Any]) -> tuple[float, Any]:
    """Return the time of a function in seconds, and its result."""
    start = perf_counter()
    result = job()
    return perf_counter() - start, result


_MEASURES = {"stream": measure_stream, "whole": measure_whole, "matching": measure_matching}


if __name__ == "__main__":
    main()
