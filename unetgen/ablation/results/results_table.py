"""Tabulate the results of a run: a row per variant, with mean and deviation of each metric over the seeds."""

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
from unetgen.outputs.data_table import CellValue, Column, DataTable, format_count

# The costs in the table.
COST_COLUMNS = ("params", "macs")

# The final states of trials, counted for each row.
COUNTED_STATES = ("finished", "failed")


@dataclass(frozen=True)
class ResultsTable:
    """The results of a run by variant. ``base`` is the variant that others are compared with; baselines come last."""

    variant_rows: tuple[VariantRow, ...]
    trial_rows: tuple[TrialRow, ...]
    metrics: Mapping[str, Mapping[str, Mapping[int, float]]]
    metric_directions: Mapping[str, str]
    base: str
    outdated: frozenset[tuple[str, int]] = frozenset()
    """The trials, by variant and seed, whose code, data or plugins changed after they ran."""

    @classmethod
    def of(cls, database: ResultsDatabase, base: str | None = None) -> ResultsTable:
        """Read the results of a database.

        Args:
            database: The results database.
            base: The variant to compare with (default: the sweep's base if it is a variant, else the first variant).

        Returns:
            The results; metrics are those of finished trials.

        Raises:
            RunError: ``base`` is not one of the variants.
        """
        rows, settings = database.read_variants(), database.read_settings()
        variants = [row.name for row in rows if row.spec]
        if base is not None and base not in variants:
            hint = did_you_mean(base, variants) or f"use one of {', '.join(variants[:10])}"
            raise RunError(f"{base!r} is not one of the variants; {hint}")
        sweep_base = next((row.name for row in rows if row.spec and row.hash == settings.get("base")), None)
        return cls(
            tuple(rows), tuple(database.read_trials()), database.read_metrics(), settings.get("better", {}),
            base or sweep_base or variants[0],
            frozenset((variant, seed) for variant, seed in settings.get("outdated", [])),
        )  # fmt: skip

    @property
    def metric_names(self) -> list[str]:
        """The names of the metrics, in alphabetical order."""
        return list(self.metrics)

    def higher_is_better(self, metric: str) -> bool:
        """Return whether higher values of a metric are better."""
        return self.metric_directions.get(metric, "higher") == "higher"

    def compare_to_base(self, metric: str) -> dict[str, MetricDifference]:
        """Compare each variant with the base in a metric; baselines are not compared."""
        variants = {row.name for row in self.variant_rows if row.spec}
        values = {name: by_seed for name, by_seed in self.metrics[metric].items() if name in variants}
        return compare_variants_to_base(values, self.base)

    def counts(self) -> dict[str, int]:
        """Return the number of trials in each state."""
        counts = {"finished": 0, "failed": 0, "running": 0, "waiting": 0}
        for trial in self.trial_rows:
            counts[trial.state] += 1
        return counts

    def sort_rows(self, key: str | None) -> list[VariantRow]:
        """Return the rows sorted by a column.

        Args:
            key: The name of a column, with ``-`` in front for descending order (default: the order of the sweep).

        Returns:
            The rows; those without a value in the column come after the others, and baselines come last.

        Raises:
            RunError: The column is unknown.
        """
        if key is None:
            return list(self.variant_rows)
        columns = list(
            dict.fromkeys(["variant", *self.list_axes(), *COST_COLUMNS, *COUNTED_STATES, *self.metric_names])
        )
        name = key.removeprefix("-")
        if name not in columns:
            hint = did_you_mean(name, columns) or f"use one of {', '.join(columns)}"
            raise RunError(f"unknown column {name!r} to sort by; {hint}")
        values = {row.name: self._get_value(row, name) for row in self.variant_rows}
        ordered = [row for row in self.variant_rows if values[row.name] is not None]
        ordered.sort(key=lambda row: values[row.name], reverse=key.startswith("-"))  # type: ignore[arg-type, return-value]  # of one column
        rest = [row for row in self.variant_rows if values[row.name] is None]
        return sorted([*ordered, *rest], key=lambda row: not row.spec)

    def _get_value(self, row: VariantRow, column: str) -> CellValue:
        """Return a row's value in a column; a metric takes precedence over other columns of its name."""
        if column in self.metric_names:
            return self.compute_mean(row, column)
        if column in COST_COLUMNS:
            return self.get_cost(row, column)
        if column in COUNTED_STATES:
            return self._trial_counts[row.name, column]
        return row.name if column == "variant" else (row.choices or {}).get(column)

    def compute_mean(self, row: VariantRow, metric: str) -> float | None:
        """Return a metric's mean over the seeds, or None without values."""
        values = self.metrics.get(metric, {}).get(row.name)
        return fmean(values.values()) if values else None

    def get_cost(self, row: VariantRow, name: str) -> int | None:
        """Return a cost metric of a variant, or None for a baseline."""
        return (row.costs or {}).get(name)

    def sheet(self, sort: str | None = None) -> DataTable:
        """Return the table of results.

        Args:
            sort: The name of a column to sort by, as for ``sort_rows``.

        Returns:
            Names, choices, costs and numbers of seeds; for each metric mean, deviation and difference from the base.

        Raises:
            RunError: The column is unknown.
        """
        rows = self.sort_rows(sort)
        axes = self.list_axes()
        columns = [Column("name", "variant"), *(Column(axis, axis) for axis in axes)]
        columns += [
            Column("params", "params", format_count, is_numeric=True),
            Column("macs", "MACs", format_count, is_numeric=True),
        ]
        columns.append(Column("seeds", "seeds", is_numeric=True))
        cells: list[list[CellValue]] = [
            [
                row.name,
                *((row.choices or {}).get(axis) for axis in axes),
                *(self.get_cost(row, cost) for cost in COST_COLUMNS),
                self._trial_counts[row.name, "finished"],
            ]
            for row in rows
        ]
        for metric in self.metric_names:
            columns += _build_metric_columns(metric)
            differences = self.compare_to_base(metric)
            for row, row_cells in zip(rows, cells, strict=True):
                row_cells.extend(self._format_metric_cells(row, metric, differences.get(row.name)))
        if any(trial.state == "failed" for trial in self.trial_rows):
            columns.append(Column("failed", "failed", is_numeric=True))
            for row, row_cells in zip(rows, cells, strict=True):
                row_cells.append(self._trial_counts[row.name, "failed"])
        if self.outdated:
            columns.append(Column("outdated", "outdated seeds", is_numeric=True))
            for row, row_cells in zip(rows, cells, strict=True):
                row_cells.append(sum(variant == row.name for variant, _ in self.outdated))
        return DataTable(tuple(columns), tuple(map(tuple, cells)))

    def list_axes(self) -> list[str]:
        """List the axes of the sweep, in the order of its file."""
        return list(dict.fromkeys(axis for row in self.variant_rows for axis in row.choices or {}))

    @cached_property
    def _trial_counts(self) -> Counter[tuple[str, str]]:
        """The number of trials of each variant in each state."""
        return Counter((trial.variant, trial.state) for trial in self.trial_rows)

    def _format_metric_cells(
        self, row: VariantRow, metric: str, difference: MetricDifference | None
    ) -> list[CellValue]:
        values = list(self.metrics[metric].get(row.name, {}).values())
        mean = self.compute_mean(row, metric)
        std = stdev(values) if len(values) > 1 else None
        mean_difference, p = (difference.mean, difference.p) if difference else (None, None)
        difference_text = "base" if row.name == self.base else str(difference) if difference else None
        return [_format_mean_std(mean, std), difference_text, mean, std, mean_difference, p]


def _format_mean_std(mean: float | None, std: float | None) -> str | None:
    """Format a mean with four digits and its deviation with as many decimals; extreme values in scientific notation."""
    if mean is None:
        return None
    if mean and not 1e-4 <= abs(mean) < 1e7:
        return f"{mean:.4g}" if std is None else f"{mean:.4g} ± {std:.2g}"
    decimals = max(0, 3 - floor(log10(abs(mean)))) if mean else 4
    mean_text = f"{mean:,.{decimals}f}"
    return mean_text if std is None else f"{mean_text} ± {std:,.{decimals}f}"


def _build_metric_columns(metric: str) -> list[Column]:
    """Return a metric's columns: two in text and HTML, four in machine-readable formats."""
    return [
        Column(f"{metric}.mean_std", metric, is_numeric=True, audience="people"),
        Column(f"{metric}.versus_base", "against the base", audience="people"),
        Column(f"{metric}.mean", metric, is_numeric=True, audience="programs"),
        Column(f"{metric}.deviation", metric, is_numeric=True, audience="programs"),
        Column(f"{metric}.difference", metric, is_numeric=True, audience="programs"),
        Column(f"{metric}.p", metric, is_numeric=True, audience="programs"),
    ]
