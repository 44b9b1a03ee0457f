"""Plots: the data of the report's plots. How they look is said in the page, in the language of Vega-Lite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean, stdev
from typing import Any

from unetgen.ablation.results.ledger import Entry
from unetgen.ablation.results.standings import Standings
from unetgen.outputs.measures import MEASURES

# No screen shows more steps than that.
STEPS = 100

Told = tuple[str, int, str, int, float | None]


def points(standings: Standings) -> dict[str, Any]:
    """A point for each entry: mean and deviation of every metric, and the costs it can be held against."""
    costs = [name for name in MEASURES if any(name in (entry.costs or {}) for entry in standings.entries)]
    return {
        "rows": [
            {
                "variant": entry.name,
                "costs": {name: (entry.costs or {})[name] for name in costs if name in (entry.costs or {})},
                "metrics": dict(_spreads(standings, entry)),
            }
            for entry in standings.entries
        ],
        "metrics": {name: standings.higher(name) for name in standings.names},
        "costs": {name: MEASURES[name].title for name in costs},
    }


def _spreads(standings: Standings, entry: Entry) -> Iterator[tuple[str, tuple[float, float]]]:
    """Mean and deviation of each metric that an entry has."""
    for metric in standings.names:
        if values := list(standings.metrics[metric].get(entry.name, {}).values()):
            yield metric, (fmean(values), stdev(values) if len(values) > 1 else 0.0)


def curves(told: Iterable[Told], standings: Standings) -> dict[str, dict[str, Any]]:
    """For each metric and variant the steps and the means over the seeds there."""
    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    for variant, _, metric, step, value in told:
        if value is not None:
            found.setdefault(metric, {}).setdefault(variant, {}).setdefault(step, []).append(value)
    order = [entry.name for entry in standings.entries]
    return {
        metric: {name: _thinned(by_variant[name]) for name in order if name in by_variant}
        for metric, by_variant in sorted(found.items())
    }


def _thinned(steps: Mapping[int, list[float]]) -> dict[str, list[float]]:
    """So many steps at most, the last among them."""
    kept = sorted(steps)
    every = -(-len(kept) // STEPS)
    kept = kept[::-1][::every][::-1]
    return {"steps": list(kept), "means": [float(f"{fmean(steps[step]):.5g}") for step in kept]}
