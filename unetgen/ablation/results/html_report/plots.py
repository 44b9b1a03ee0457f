"""Build the data of the HTML report's plots; page.js has their Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean, stdev
from typing import Any

from unetgen.ablation.results.database import VariantRow
from unetgen.ablation.results.results_table import ResultsTable
from unetgen.analysis.measures import COST_METRICS

# The maximum number of steps in a learning curve; screens cannot show more.
MAX_STEPS = 100

CurvePoint = tuple[str, int, str, int, float | None]


def build_scatter_data(table: ResultsTable) -> dict[str, Any]:
    """Return a point for each variant and baseline: its costs, and mean and deviation of each metric."""
    costs = [name for name in COST_METRICS if any(name in (row.costs or {}) for row in table.variant_rows)]
    return {
        "rows": [
            {
                "variant": row.name,
                "costs": {name: (row.costs or {})[name] for name in costs if name in (row.costs or {})},
                "metrics": dict(_iter_mean_std(table, row)),
            }
            for row in table.variant_rows
        ],
        "metrics": {name: table.higher_is_better(name) for name in table.metric_names},
        "costs": {name: COST_METRICS[name].title for name in costs},
    }


def _iter_mean_std(table: ResultsTable, row: VariantRow) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the mean and deviation of each metric that a row has."""
    for metric in table.metric_names:
        if values := list(table.metrics[metric].get(row.name, {}).values()):
            yield metric, (fmean(values), stdev(values) if len(values) > 1 else 0.0)


def build_curve_data(curve_points: Iterable[CurvePoint], table: ResultsTable) -> dict[str, dict[str, Any]]:
    """Return the steps and the means over the seeds, for each metric and variant."""
    values: dict[str, dict[str, dict[int, list[float]]]] = {}
    for variant, _, metric, step, value in curve_points:
        if value is not None:
            values.setdefault(metric, {}).setdefault(variant, {}).setdefault(step, []).append(value)
    order = [row.name for row in table.variant_rows]
    return {
        metric: {name: _downsample(by_variant[name]) for name in order if name in by_variant}
        for metric, by_variant in sorted(values.items())
    }


def _downsample(steps: Mapping[int, list[float]]) -> dict[str, list[float]]:
    """Keep at most MAX_STEPS evenly spaced steps, including the last one, with the mean at each."""
    kept = sorted(steps)
    stride = -(-len(kept) // MAX_STEPS)
    kept = kept[::-1][::stride][::-1]
    return {"steps": list(kept), "means": [float(f"{fmean(steps[step]):.5g}") for step in kept]}
