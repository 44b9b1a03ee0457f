"""Plots: the data of the report's plots. How they look is said in the page, in the language of Vega-Lite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean, stdev
from typing import Any

from unetgen.ablation.results.database import VariantRow
from unetgen.ablation.results.results_table import ResultsTable
from unetgen.analysis.measures import COST_METRICS

# No screen shows more steps than that.
MAX_STEPS = 100

CurvePoint = tuple[str, int, str, int, float | None]


def build_scatter_data(table: ResultsTable) -> dict[str, Any]:
    """A point for each entry: mean and deviation of every metric, and the costs it can be held against."""
    costs = [name for name in COST_METRICS if any(name in (entry.costs or {}) for entry in table.variant_rows)]
    return {
        "rows": [
            {
                "variant": entry.name,
                "costs": {name: (entry.costs or {})[name] for name in costs if name in (entry.costs or {})},
                "metrics": dict(_iter_mean_std(table, entry)),
            }
            for entry in table.variant_rows
        ],
        "metrics": {name: table.higher_is_better(name) for name in table.metric_names},
        "costs": {name: COST_METRICS[name].title for name in costs},
    }


def _iter_mean_std(table: ResultsTable, entry: VariantRow) -> Iterator[tuple[str, tuple[float, float]]]:
    """Mean and deviation of each metric that an entry has."""
    for metric in table.metric_names:
        if values := list(table.metrics[metric].get(entry.name, {}).values()):
            yield metric, (fmean(values), stdev(values) if len(values) > 1 else 0.0)


def build_curve_data(curve_points: Iterable[CurvePoint], table: ResultsTable) -> dict[str, dict[str, Any]]:
    """For each metric and variant the steps and the means over the seeds there."""
    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    for variant, _, metric, step, value in curve_points:
        if value is not None:
            found.setdefault(metric, {}).setdefault(variant, {}).setdefault(step, []).append(value)
    order = [entry.name for entry in table.variant_rows]
    return {
        metric: {name: _downsample(by_variant[name]) for name in order if name in by_variant}
        for metric, by_variant in sorted(found.items())
    }


def _downsample(steps: Mapping[int, list[float]]) -> dict[str, list[float]]:
    """So many steps at most, the last among them."""
    kept = sorted(steps)
    every = -(-len(kept) // MAX_STEPS)
    kept = kept[::-1][::every][::-1]
    return {"steps": list(kept), "means": [float(f"{fmean(steps[step]):.5g}") for step in kept]}
