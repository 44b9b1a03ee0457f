"""A sweep's variants against building each on the meta device with torchinfo; matched sweeps against unmatched ones.

    python -m benchmarks.sweeps [--measure stream|whole|matching] [--batches 15] [--size 16]

stream: variants drawn at random from a grid of 10,000 are made, validated, compared by hash with those before, named
and costed; then torch builds the same networks on its meta device and torchinfo summarises them. Ratios are torch's
time over unetgen's, batch by batch in turn. Both must count the same parameters.

whole: the 10,000 variants of the grid one after the other on one core, and what the process holds on the way.

matching: a grid of 216 with its parameters matched to the base's, over the same grid unmatched, per network drawn.
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
    """Prints one row for each measure that was asked for."""
    chosen = _parse_arguments()
    torch.set_num_threads(1)
    print(describe_machine())
    for name, measure in _MEASURES.items():
        if chosen.measure in (name, "all"):
            measure(chosen)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", choices=["stream", "whole", "matching", "all"], default="all")
    parser.add_argument("--batches", type=int, default=15, help="pairs of batches")
    parser.add_argument("--size", type=int, default=16, help="variants in a batch")
    return parser.parse_args()


def measure_stream(arguments: argparse.Namespace) -> None:
    """Batches of variants, by unetgen and by torch."""
    count = (arguments.batches + 1) * arguments.size
    supply = iter_variants(unetgen.sweep(TEN_THOUSAND + f"mode: {{type: sample, n: {4 * count}, seed: 0}}\n"))
    ratios = []
    for number in range(-1, arguments.batches):
        ours, made = measure_time(lambda: list(islice(supply, arguments.size)))
        theirs, counted = measure_time(lambda batch=made: [summarize(variant) for variant in batch])  # type: ignore[misc]
        assert [variant.report.cost.params for variant in made] == counted, "they count other parameters"
        if number >= 0:  # the batch before the first warms up
            ratios.append(theirs / ours)
    table = Table("meta device and torchinfo / sweep", *COLUMNS, "goal", first=34)
    table.print_row("variants of a grid of 10,000", *Ratios(tuple(ratios)).to_cells(".1f"), ">= 50")


def measure_whole(arguments: argparse.Namespace) -> None:
    """The whole grid, and the memory it takes."""
    opened = unetgen.sweep(TEN_THOUSAND)
    start, held = perf_counter(), []
    for number, _ in enumerate(iter_variants(opened)):
        if number % 2000 == 0:
            held.append(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
    seconds = perf_counter() - start
    print(f"{opened.count:,} combinations in {seconds:.1f} s, here and now; peak MiB every 2,000: {', '.join(held)}")


def measure_matching(arguments: argparse.Namespace) -> None:
    """Matched over unmatched, for each network that was drawn."""
    ratios = []
    for _ in range(max(arguments.batches // 3, 1)):
        plain, made = measure_time(lambda: list(iter_variants(unetgen.sweep(TWO_HUNDRED))))
        seconds, matched = measure_time(
            lambda: list(iter_variants(unetgen.sweep(TWO_HUNDRED + "match: {params: base}\n")))
        )
        drawn = sum(variant.match.num_evaluations for variant in matched if variant.match)
        ratios.append((seconds / drawn) / (plain / len(made)))
    table = Table("matched / unmatched, per network", *COLUMNS, "drawn each", "goal", first=34)
    each = f"{drawn / len(matched):.1f}"
    table.print_row(f"a grid of {len(made)}", *Ratios(tuple(ratios)).to_cells(".2f"), each, "<= 2")


def iter_variants(sweep: Sweep) -> Iterator[Variant]:
    """The variants of a sweep with their costs and names."""
    for outcome in sweep.outcomes():
        if isinstance(outcome, Variant):
            assert outcome.report.cost.macs
            assert outcome.name
            yield outcome


def summarize(variant: Variant) -> int:
    """The parameters that torchinfo counts in the network on the meta device."""
    model = unetgen.build(variant.report.spec, device="meta")
    shape = (1, *variant.report.in_shape)
    return int(torchinfo.summary(model, input_size=shape, device="meta", verbose=0).total_params)


def measure_time(job: Callable[[], Any]) -> tuple[float, Any]:
    """How long something takes, and what it gives."""
    start = perf_counter()
    result = job()
    return perf_counter() - start, result


_MEASURES = {"stream": measure_stream, "whole": measure_whole, "matching": measure_matching}


if __name__ == "__main__":
    main()
