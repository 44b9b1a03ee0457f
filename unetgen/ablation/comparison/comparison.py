"""Compare networks in a table of their differing settings and their costs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unetgen.ablation.comparison.compared_networks import choose_base, extract_from_specs
from unetgen.ablation.sweeps.settings_diff import FlatSettings, find_differing_settings, flatten_settings
from unetgen.analysis.measures import COST_METRICS
from unetgen.analysis.report import NetworkReport, format_shape
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import Problem, SpecError, did_you_mean
from unetgen.graph.from_spec import build_graph
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import accepts_size
from unetgen.outputs.data_table import CellValue, Column, DataTable, format_bytes, format_count

# Metrics of which more is better; of all others, less is.
HIGHER_IS_BETTER = ("receptive_field",)

# Longer names are abbreviated in tables.
MAX_NAME_LENGTH = 40

# A column and its cells, one per row.
ColumnWithCells = tuple[Column, Sequence[CellValue]]

_FORMATTERS = {"": format_count, "bytes": format_bytes, "pixels": "{:,}".format}


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """The data of one network in a comparison."""

    hash: str
    settings: FlatSettings
    costs: dict[str, int]
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    is_size_assumed: bool


@dataclass(frozen=True)
class Comparison:
    """Networks by name, in order; ``base`` is the one that the others are compared with."""

    rows: dict[str, NetworkRow]
    base: str

    @classmethod
    def of(
        cls, sources: Sequence[str], registry: Registry, input_size: Size | None = None, base: str | None = None
    ) -> Comparison:
        """Load specs and compute their costs.

        Args:
            sources: Names and paths of specs, and directories of specs or sweeps.
            registry: The installed parts.
            input_size: The input size for all networks (default: their own); one number applies to all dimensions.
            base: The name of the base (default: the base of a single sweep directory, else the first network).

        Returns:
            The comparison.

        Raises:
            SpecError: Specs are invalid, or the base is not one of the networks; has all problems.
        """
        rows = extract_from_specs(sources, registry, _RowBuilder(input_size).build_row)
        return cls(rows, choose_base(base, sources, {name: row.hash for name, row in rows.items()}))

    def to_table(self, names: Sequence[str] | None = None) -> DataTable:
        """Return a table of some networks (default: all): the settings that differ between all, and the costs."""
        names = list(self.rows) if names is None else names
        differing = find_differing_settings([row.settings for row in self.rows.values()])
        index = {name: number for number, name in enumerate(self.rows)}
        rows = [self.rows[name] for name in names]
        filled: list[ColumnWithCells] = [(Column("name", "network", _abbreviate), names)]
        for path, values in differing.items():
            filled.append((_make_setting_column(path), [values[index[name]] for name in names]))
        filled += [*self._iter_cost_columns(rows), *self._iter_shape_columns(rows)]
        filled.append((Column("hash", "hash", audience="programs"), [row.hash for row in rows]))
        columns, cells = zip(*filled, strict=True)
        return DataTable(columns, tuple(zip(*cells, strict=True)))

    def sort_names(self, column: str) -> list[str]:
        """Return the names of the networks, sorted by a column.

        Args:
            column: The name or title of a column, with ``-`` in front for descending order.

        Returns:
            The names; networks without a value in the column come last in either order.

        Raises:
            SpecError: The column is unknown.
        """
        table, name = self.to_table(), column.removeprefix("-") or column
        names = {own: number for number, own in enumerate(column.name for column in table.columns) if own}
        known = {column.title: number for number, column in enumerate(table.columns)} | names
        if name not in known:
            hint = did_you_mean(name, known) or f"use one of {', '.join(names)}"
            raise SpecError([Problem("column", "", f"unknown column {name!r} to sort by", hint)])
        values = {str(row[0]): row[known[name]] for row in table.rows}
        sort_keys = {network: _make_sort_key(value) for network, value in values.items() if value is not None}
        sorted_names = sorted(sort_keys, key=sort_keys.__getitem__, reverse=name != column)
        return sorted_names + [network for network in values if network not in sort_keys]

    def find_pareto_front(self, metrics: Sequence[str], names: Sequence[str]) -> list[str]:
        """Return the networks on the Pareto front: no other is at least as good in all metrics and better in one."""
        signs = [-1 if metric in HIGHER_IS_BETTER else 1 for metric in metrics]
        points = {
            name: tuple(sign * self.rows[name].costs[m] for sign, m in zip(signs, metrics, strict=True))
            for name in names
        }
        front: set[tuple[int, ...]] = set()
        # In sorted order a point can only be dominated by an earlier one.
        for point in sorted(set(points.values())):
            if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in front):
                front.add(point)
        return [name for name in names if points[name] in front]

    def format_notes(self) -> list[str]:
        """Return notes on the table: equal networks, assumed and differing input sizes."""
        names_by_hash: dict[str, list[str]] = {}
        for name, row in self.rows.items():
            names_by_hash.setdefault(row.hash, []).append(name)
        groups = [names for names in names_by_hash.values() if len(names) > 1]
        notes = [f"{' and '.join(names)} are the same architecture" for names in groups]
        rows = self.rows.values()
        if assumed_sizes := {row.in_shape[1:] for row in rows if row.is_size_assumed}:
            sizes_text = ", ".join(sorted(map(format_shape, assumed_sizes)))
            notes.append(f"specs without an input size are measured at {sizes_text}")
        sizes = {row.in_shape[1:] for row in rows}
        if len(dims := sorted({len(size) for size in sizes})) > 1:
            dims_text = " and ".join(map(str, dims))
            notes.append(
                f"networks have {dims_text} spatial dimensions, so MACs, memory and outputs are for different inputs"
            )
        if len(sizes) > len(dims):
            notes.append("input sizes differ, so MACs, memory and outputs are not comparable; set --input-size")
        return notes

    def _iter_cost_columns(self, rows: Sequence[NetworkRow]) -> Iterator[ColumnWithCells]:
        """Yield the costs, and for parameters and MACs the relative difference from the base, in text only."""
        base = self.rows[self.base]
        for metric in COST_METRICS.values():
            values = [row.costs[metric.name] for row in rows]
            base_value = max(base.costs[metric.name], 1)
            yield Column(metric.name, metric.column_title, _FORMATTERS[metric.unit], is_numeric=True), values
            if metric.name in ("params", "macs") and len(self.rows) > 1:
                changes = [
                    None if row is base else value / base_value - 1 for row, value in zip(rows, values, strict=True)
                ]
                yield (
                    Column("", f"± {metric.column_title}", "{:+.1%}".format, is_numeric=True, audience="people"),
                    changes,
                )

    def _iter_shape_columns(self, rows: Sequence[NetworkRow]) -> Iterator[ColumnWithCells]:
        """Yield the output shapes, and the input shapes if they differ."""
        if len({row.in_shape[1:] for row in self.rows.values()}) > 1:
            yield Column("input", "input", _format_shape_text), ["x".join(map(str, row.in_shape)) for row in rows]
        yield Column("output", "output", _format_shape_text), ["x".join(map(str, row.out_shape)) for row in rows]


class _RowBuilder:
    """Builds rows at a requested input size, or at each spec's own.

    Specs without an input size share the first assumed size of their dimensions, if it fits.
    """

    def __init__(self, input_size: Size | None) -> None:
        self.input_size = input_size
        self.assumed_sizes: dict[int, Size] = {}

    def build_row(self, spec: Spec) -> NetworkRow:
        """Compute the row of a spec. Raises SpecError if its graph cannot be built or the size does not fit."""
        report = self._build_report(spec, build_graph(spec))
        costs = {metric.name: metric.compute(report) for metric in COST_METRICS.values()}
        return NetworkRow(
            spec.hash, flatten_settings(spec), costs, report.in_shape, report.out_shape, report.is_size_assumed
        )

    def _build_report(self, spec: Spec, graph: Graph) -> NetworkReport:
        assumed = self.assumed_sizes.get(spec.dims)
        if self.input_size is not None:
            return NetworkReport.of(spec, graph, self._expand_size(spec, self.input_size))
        if spec.input_size is None and assumed is not None and accepts_size(graph, assumed):
            return NetworkReport.of(spec, graph, assumed, is_size_assumed=True)
        report = NetworkReport.of(spec, graph)
        if report.is_size_assumed:
            self.assumed_sizes.setdefault(spec.dims, report.input_size)
        return report

    def _expand_size(self, spec: Spec, size: Size) -> Size:
        if len(size) not in (1, spec.dims):
            message = f"{format_shape(size)} has {len(size)} numbers, but the network has {spec.dims} dimensions"
            raise SpecError([Problem("input_size", "input_size", message, "give one number for all dimensions")])
        return size if len(size) == spec.dims else size * spec.dims


def _format_shape_text(shape: str) -> str:
    return shape.replace("x", " x ")


def _abbreviate(name: str) -> str:
    """Shorten a long variant name to its beginning and its hash; columns show the settings anyway."""
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 12]}...{name[-9:]}"


def _make_setting_column(path: str) -> Column:
    """Return the column of a setting; ``input`` is renamed, since the column of input sizes has that name."""
    name = "input.type" if path == "input" else path
    return Column(name, name)


def _make_sort_key(value: CellValue) -> tuple[bool, tuple[float, ...], str]:
    """Return a key that sorts numbers, lists and shapes by value, before other text."""
    text = str(value)
    try:
        return False, tuple(map(float, re.split("x|, ", text.strip("[]")))), ""
    except ValueError:
        return True, (), text
