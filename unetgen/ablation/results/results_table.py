"""Standings: the table of a run. A row for each variant, with mean and spread of every metric over its seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor, log10
from statistics import fmean, stdev

from unetgen.ablation.results.database import ResultsDatabase, TrialRow, VariantRow
from unetgen.ablation.results.significance import MetricDifference, compare_variants_to_base
from unetgen.errors import RunError, did_you_mean
from unetgen.outputs.table import CellValue, Column, DataTable, format_count

# The costs that stand in the table.
COST_COLUMNS = ("params", "macs")

# The ends of trials that are counted for each entry.
COUNTED_STATES = ("finished", "failed")


@dataclass(frozen=True)
class ResultsTable:
    """What a ledger holds, by variant. ``base`` is what the others are measured by; baselines come last."""

    variant_rows: tuple[VariantRow, ...]
    trial_rows: tuple[TrialRow, ...]
    metrics: Mapping[str, Mapping[str, Mapping[int, float]]]
    metric_directions: Mapping[str, str]
    base: str

    @classmethod
    def of(cls, database: ResultsDatabase, base: str | None = None) -> ResultsTable:
        """All that is finished. Raises RunError where ``base`` is no variant."""
        entries, settings = database.read_variants(), database.read_settings()
        variants = [entry.name for entry in entries if entry.spec]
        if base is not None and base not in variants:
            hint = did_you_mean(base, variants) or f"there are {', '.join(variants[:10])}"
            raise RunError(f"{base!r} is not among the variants; {hint}")
        ours = next((entry.name for entry in entries if entry.spec and entry.hash == settings.get("base")), None)
        return cls(
            tuple(entries), tuple(database.read_trials()), database.read_metrics(), settings.get("better", {}),
            base or ours or variants[0],
        )  # fmt: skip

    @property
    def metric_names(self) -> list[str]:
        """The metrics, in the order of the alphabet."""
        return list(self.metrics)

    def higher_is_better(self, metric: str) -> bool:
        """Whether more of a metric is better."""
        return self.metric_directions.get(metric, "higher") == "higher"

    def compare_to_base(self, metric: str) -> dict[str, MetricDifference]:
        """Every variant's difference to the base in a metric; baselines are no variants."""
        variants = {entry.name for entry in self.variant_rows if entry.spec}
        values = {name: by_seed for name, by_seed in self.metrics[metric].items() if name in variants}
        return compare_variants_to_base(values, self.base)

    def counts(self) -> dict[str, int]:
        """How many trials there are in each state."""
        found = {"finished": 0, "failed": 0, "running": 0, "waiting": 0}
        for record in self.trial_rows:
            found[record.state] += 1
        return found

    def sort_rows(self, key: str | None) -> list[VariantRow]:
        """The rows by a column, with ``-`` before its name the other way; what has nothing there, then baselines, last.

        Raises RunError where there is no such column.
        """
        if key is None:
            return list(self.variant_rows)
        columns = list(
            dict.fromkeys(["variant", *self.list_axes(), *COST_COLUMNS, *COUNTED_STATES, *self.metric_names])
        )
        name = key.removeprefix("-")
        if name not in columns:
            hint = did_you_mean(name, columns) or f"there are {', '.join(columns)}"
            raise RunError(f"there is no column {name!r} to sort by; {hint}")
        values = {entry.name: self._get_value(entry, name) for entry in self.variant_rows}
        placed = [entry for entry in self.variant_rows if values[entry.name] is not None]
        placed.sort(key=lambda entry: values[entry.name], reverse=key.startswith("-"))  # type: ignore[arg-type, return-value]  # of one column
        rest = [entry for entry in self.variant_rows if values[entry.name] is None]
        return sorted([*placed, *rest], key=lambda entry: not entry.spec)

    def _get_value(self, entry: VariantRow, column: str) -> CellValue:
        """What an entry has in a column; a metric that is called like something else is meant."""
        if column in self.metric_names:
            return self.compute_mean(entry, column)
        if column in COST_COLUMNS:
            return self.get_cost(entry, column)
        if column in COUNTED_STATES:
            return self._trial_counts[entry.name, column]
        return entry.name if column == "variant" else (entry.choices or {}).get(column)

    def compute_mean(self, entry: VariantRow, metric: str) -> float | None:
        """A metric's mean over the seeds."""
        values = self.metrics.get(metric, {}).get(entry.name)
        return fmean(values.values()) if values else None

    def get_cost(self, entry: VariantRow, name: str) -> int | None:
        """What a variant was reckoned to take."""
        return (entry.costs or {}).get(name)

    def sheet(self, sort: str | None = None) -> DataTable:
        """Names, choices, costs, and for each metric mean, deviation and what sets it apart from the base."""
        shown = self.sort_rows(sort)
        axes = self.list_axes()
        columns = [Column("name", "variant"), *(Column(axis, axis) for axis in axes)]
        columns += [
            Column("params", "params", format_count, is_numeric=True),
            Column("macs", "MACs", format_count, is_numeric=True),
        ]
        columns.append(Column("seeds", "seeds", is_numeric=True))
        cells: list[list[CellValue]] = [
            [
                e.name,
                *((e.choices or {}).get(axis) for axis in axes),
                *(self.get_cost(e, cost) for cost in COST_COLUMNS),
                self._trial_counts[e.name, "finished"],
            ]
            for e in shown
        ]
        for metric in self.metric_names:
            columns += _build_metric_columns(metric)
            apart = self.compare_to_base(metric)
            for entry, row in zip(shown, cells, strict=True):
                row.extend(self._format_metric_cells(entry, metric, apart.get(entry.name)))
        if any(record.state == "failed" for record in self.trial_rows):
            columns.append(Column("failed", "failed", is_numeric=True))
            for entry, row in zip(shown, cells, strict=True):
                row.append(self._trial_counts[entry.name, "failed"])
        return DataTable(tuple(columns), tuple(map(tuple, cells)))

    def list_axes(self) -> list[str]:
        """What varies, in the order of the sweep's file."""
        return list(dict.fromkeys(axis for entry in self.variant_rows for axis in entry.choices or {}))

    @cached_property
    def _trial_counts(self) -> Counter[tuple[str, str]]:
        """How many trials each entry has in each state."""
        return Counter((record.variant, record.state) for record in self.trial_rows)

    def _format_metric_cells(
        self, entry: VariantRow, metric: str, difference: MetricDifference | None
    ) -> list[CellValue]:
        values = list(self.metrics[metric].get(entry.name, {}).values())
        mean = self.compute_mean(entry, metric)
        spread = stdev(values) if len(values) > 1 else None
        told = difference or MetricDifference(0.0, 0)
        said = "base" if entry.name == self.base else str(difference) if difference else None
        return [_format_mean_std(mean, spread), said, mean, spread, told.mean if difference else None, told.p]


def _format_mean_std(mean: float | None, std: float | None) -> str | None:
    """A mean in four digits, and its deviation in as many decimals; very large and small ones in powers of ten."""
    if mean is None:
        return None
    if mean and not 1e-4 <= abs(mean) < 1e7:
        return f"{mean:.4g}" if std is None else f"{mean:.4g} ± {std:.2g}"
    decimals = max(0, 3 - floor(log10(abs(mean)))) if mean else 4
    told = f"{mean:,.{decimals}f}"
    return told if std is None else f"{told} ± {std:,.{decimals}f}"


def _build_metric_columns(metric: str) -> list[Column]:
    """A metric's columns: two for people, four for programs."""
    return [
        Column(f"{metric}.told", metric, is_numeric=True, audience="people"),
        Column(f"{metric}.against", "against the base", audience="people"),
        Column(f"{metric}.mean", metric, is_numeric=True, audience="programs"),
        Column(f"{metric}.deviation", metric, is_numeric=True, audience="programs"),
        Column(f"{metric}.difference", metric, is_numeric=True, audience="programs"),
        Column(f"{metric}.p", metric, is_numeric=True, audience="programs"),
    ]
