"""Comparison: networks side by side, with what differs between their specs and what each costs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unetgen.ablation.comparison.settings_diff import FlatSettings, find_differing_settings, flatten_settings
from unetgen.ablation.comparison.spec_loading import choose_base, load_specs
from unetgen.analysis.measures import COST_METRICS
from unetgen.analysis.report import NetworkReport, format_shape
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import Problem, SpecError, did_you_mean
from unetgen.graph.from_spec import build_graph
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import accepts_size
from unetgen.outputs.table import CellValue, Column, DataTable, format_bytes, format_count

# Of two networks that are equally good in this, the one with more of it sees more.
HIGHER_IS_BETTER = ("receptive_field",)

# Of longer names a table shows both ends.
MAX_NAME_LENGTH = 40

# A column and what each row has in it.
ColumnWithCells = tuple[Column, Sequence[CellValue]]

_FORMATTERS = {"": format_count, "bytes": format_bytes, "pixels": "{:,}".format}


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """What is kept of one network."""

    hash: str
    settings: FlatSettings
    costs: dict[str, int]
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    is_size_assumed: bool


@dataclass(frozen=True)
class Comparison:
    """Networks by their names, in their order; ``base`` is the one that the others are measured by."""

    rows: dict[str, NetworkRow]
    base: str

    @classmethod
    def of(
        cls, sources: Sequence[str], registry: Registry, input_size: Size | None = None, base: str | None = None
    ) -> Comparison:
        """Reads and measures specs, and all specs of directories. Raises SpecError with what is wrong with any."""
        measure = _RowBuilder(input_size)
        rows = load_specs(sources, registry, measure.build_row)
        return cls(rows, choose_base(base, sources, {name: row.hash for name, row in rows.items()}))

    def to_table(self, names: Sequence[str] | None = None) -> DataTable:
        """All networks, or some of them, as rows: the settings that differ between all, then the costs."""
        names = list(self.rows) if names is None else names
        told = find_differing_settings([row.settings for row in self.rows.values()])
        at = {name: number for number, name in enumerate(self.rows)}
        rows = [self.rows[name] for name in names]
        filled: list[ColumnWithCells] = [(Column("name", "network", _abbreviate), names)]
        filled += [(_make_setting_column(path), [values[at[name]] for name in names]) for path, values in told.items()]
        filled += [*self._iter_cost_columns(rows), *self._iter_shape_columns(rows)]
        filled.append((Column("hash", "hash", audience="programs"), [row.hash for row in rows]))
        columns, cells = zip(*filled, strict=True)
        return DataTable(columns, tuple(zip(*cells, strict=True)))

    def sort_names(self, column: str) -> list[str]:
        """The networks in the order of a column, in the opposite one where ``-`` stands before its name.

        A column has its name or its head as people see it. Networks that have nothing in it are last either way.
        Raises SpecError where there is no such column.
        """
        sheet, name = self.to_table(), column.removeprefix("-") or column
        names = {own: number for number, own in enumerate(column.name for column in sheet.columns) if own}
        known = {column.title: number for number, column in enumerate(sheet.columns)} | names
        if name not in known:
            hint = did_you_mean(name, known) or f"columns are {', '.join(names)}"
            raise SpecError([Problem("column", "", f"there is no column {name!r} to sort by", hint)])
        values = {str(row[0]): row[known[name]] for row in sheet.rows}
        there = {network: _make_sort_key(value) for network, value in values.items() if value is not None}
        rows = sorted(there, key=there.__getitem__, reverse=name != column)
        return rows + [network for network in values if network not in there]

    def find_pareto_front(self, metrics: Sequence[str], names: Sequence[str]) -> list[str]:
        """The networks that no other beats in one of the measures without being beaten in another (Pareto's front)."""
        signs = [-1 if measure in HIGHER_IS_BETTER else 1 for measure in metrics]
        points = {
            name: tuple(sign * self.rows[name].costs[m] for sign, m in zip(signs, metrics, strict=True))
            for name in names
        }
        best: set[tuple[int, ...]] = set()
        # In this order a point can only be beaten by one before it.
        for point in sorted(set(points.values())):
            if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in best):
                best.add(point)
        return [name for name in names if points[name] in best]

    def format_notes(self) -> list[str]:
        """What should be known beside the table."""
        alike: dict[str, list[str]] = {}
        for name, row in self.rows.items():
            alike.setdefault(row.hash, []).append(name)
        notes = [f"{' and '.join(names)} are one architecture" for names in alike.values() if len(names) > 1]
        rows = self.rows.values()
        if assumed := {row.in_shape[1:] for row in rows if row.is_size_assumed}:
            told = ", ".join(sorted(map(format_shape, assumed)))
            notes.append(f"where a spec names no input size it is measured at {told}")
        sizes = {row.in_shape[1:] for row in rows}
        if len(axes := sorted({len(size) for size in sizes})) > 1:
            told = " and ".join(map(str, axes))
            notes.append(f"the networks have {told} axes, so MACs, memory and outputs are of different inputs")
        if len(sizes) > len(axes):
            notes.append("the input sizes differ, and with them MACs, memory and outputs; --input-size makes them one")
        return notes

    def _iter_cost_columns(self, rows: Sequence[NetworkRow]) -> Iterator[ColumnWithCells]:
        """The measures, and for people how the two that count most compare with the base's."""
        base = self.rows[self.base]
        for measure in COST_METRICS.values():
            values = [row.costs[measure.name] for row in rows]
            whole = max(base.costs[measure.name], 1)
            yield Column(measure.name, measure.column_title, _FORMATTERS[measure.unit], is_numeric=True), values
            if measure.name in ("params", "macs") and len(self.rows) > 1:
                changes = [None if row is base else value / whole - 1 for row, value in zip(rows, values, strict=True)]
                yield (
                    Column("", f"± {measure.column_title}", "{:+.1%}".format, is_numeric=True, audience="people"),
                    changes,
                )

    def _iter_shape_columns(self, rows: Sequence[NetworkRow]) -> Iterator[ColumnWithCells]:
        """The outputs, and the inputs where they differ."""
        if len({row.in_shape[1:] for row in self.rows.values()}) > 1:
            yield Column("input", "input", _format_shape_text), ["x".join(map(str, row.in_shape)) for row in rows]
        yield Column("output", "output", _format_shape_text), ["x".join(map(str, row.out_shape)) for row in rows]


class _RowBuilder:
    """Measures specs at the size that is asked for, or at their own; those that have none at one size, if it fits."""

    def __init__(self, input_size: Size | None) -> None:
        self.input_size = input_size
        self.assumed_sizes: dict[int, Size] = {}

    def build_row(self, spec: Spec) -> NetworkRow:
        """Everything that is kept of a spec. Raises SpecError."""
        report = self._build_report(spec, build_graph(spec))
        numbers = {measure.name: measure.compute(report) for measure in COST_METRICS.values()}
        return NetworkRow(
            spec.hash, flatten_settings(spec), numbers, report.in_shape, report.out_shape, report.is_size_assumed
        )

    def _build_report(self, spec: Spec, graph: Graph) -> NetworkReport:
        first = self.assumed_sizes.get(spec.dims)
        if self.input_size is not None:
            return NetworkReport.of(spec, graph, self._expand_size(spec, self.input_size))
        if spec.input_size is None and first is not None and accepts_size(graph, first):
            return NetworkReport.of(spec, graph, first, is_size_assumed=True)
        report = NetworkReport.of(spec, graph)
        if report.is_size_assumed:
            self.assumed_sizes.setdefault(spec.dims, report.input_size)
        return report

    def _expand_size(self, spec: Spec, size: Size) -> Size:
        if len(size) not in (1, spec.dims):
            message = f"{format_shape(size)} has {len(size)} numbers, the network has {spec.dims} axes"
            raise SpecError([Problem("input_size", "input_size", message, "give one number for all axes")])
        return size if len(size) == spec.dims else size * spec.dims


def _format_shape_text(shape: str) -> str:
    return shape.replace("x", " x ")


def _abbreviate(name: str) -> str:
    """A name of a variant that is too long for a table, by its beginning and its hash; columns say the rest."""
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 12]}...{name[-9:]}"


def _make_setting_column(path: str) -> Column:
    """The column of a setting; ``input`` is what sizes are under."""
    name = "input.type" if path == "input" else path
    return Column(name, name)


def _make_sort_key(value: CellValue) -> tuple[bool, tuple[float, ...], str]:
    """Numbers by their size, lists and shapes by one number after the other, then words."""
    text = str(value)
    try:
        return False, tuple(map(float, re.split("x|, ", text.strip("[]")))), ""
    except ValueError:
        return True, (), text
