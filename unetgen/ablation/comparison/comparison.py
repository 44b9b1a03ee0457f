"""Comparison: networks side by side, with what differs between their specs and what each costs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unetgen.ablation.comparison.difference import Leaves, differing, leaves_of
from unetgen.ablation.comparison.gathering import chosen, gathered
from unetgen.config.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import Problem, SpecError, did_you_mean
from unetgen.graph.from_spec import draw
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size import fits
from unetgen.outputs.measures import MEASURES
from unetgen.outputs.report import Report, times
from unetgen.outputs.sheet import Column, Sheet, Value, bytes_of, counted

# Of two networks that are equally good in this, the one with more of it sees more.
MORE_IS_BETTER = ("receptive_field",)

# Of longer names a table shows both ends.
LONGEST = 40

# A column and what each row has in it.
Filled = tuple[Column, Sequence[Value]]

_SHOWN = {"": counted, "bytes": bytes_of, "pixels": "{:,}".format}


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of one network."""

    hash: str
    settings: Leaves
    numbers: dict[str, int]
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    assumed: bool


@dataclass(frozen=True)
class Comparison:
    """Networks by their names, in their order; ``base`` is the one that the others are measured by."""

    rows: dict[str, Row]
    base: str

    @classmethod
    def of(
        cls, sources: Sequence[str], registry: Registry, input_size: Size | None = None, base: str | None = None
    ) -> Comparison:
        """Reads and measures specs, and all specs of directories. Raises SpecError with what is wrong with any."""
        measure = _Measuring(input_size)
        rows = gathered(sources, registry, measure.row)
        return cls(rows, chosen(base, sources, {name: row.hash for name, row in rows.items()}))

    def sheet(self, names: Sequence[str] | None = None) -> Sheet:
        """All networks, or some of them, as rows: the settings that differ between all, then the costs."""
        names = list(self.rows) if names is None else names
        told = differing([row.settings for row in self.rows.values()])
        at = {name: number for number, name in enumerate(self.rows)}
        rows = [self.rows[name] for name in names]
        filled: list[Filled] = [(Column("name", "network", _short), names)]
        filled += [(_setting(path), [values[at[name]] for name in names]) for path, values in told.items()]
        filled += [*self._costs(rows), *self._shapes(rows)]
        filled.append((Column("hash", "hash", readers="programs"), [row.hash for row in rows]))
        columns, cells = zip(*filled, strict=True)
        return Sheet(columns, tuple(zip(*cells, strict=True)))

    def ordered(self, column: str) -> list[str]:
        """The networks in the order of a column, in the opposite one where ``-`` stands before its name.

        A column has its name or its head as people see it. Networks that have nothing in it are last either way.
        Raises SpecError where there is no such column.
        """
        sheet, name = self.sheet(), column.removeprefix("-") or column
        names = {own: number for number, own in enumerate(column.name for column in sheet.columns) if own}
        known = {column.title: number for number, column in enumerate(sheet.columns)} | names
        if name not in known:
            hint = did_you_mean(name, known) or f"columns are {', '.join(names)}"
            raise SpecError([Problem("column", "", f"there is no column {name!r} to sort by", hint)])
        values = {str(row[0]): row[known[name]] for row in sheet.rows}
        there = {network: _key(value) for network, value in values.items() if value is not None}
        rows = sorted(there, key=there.__getitem__, reverse=name != column)
        return rows + [network for network in values if network not in there]

    def front(self, measures: Sequence[str], names: Sequence[str]) -> list[str]:
        """The networks that no other beats in one of the measures without being beaten in another (Pareto's front)."""
        signs = [-1 if measure in MORE_IS_BETTER else 1 for measure in measures]
        points = {
            name: tuple(sign * self.rows[name].numbers[m] for sign, m in zip(signs, measures, strict=True))
            for name in names
        }
        best: set[tuple[int, ...]] = set()
        # In this order a point can only be beaten by one before it.
        for point in sorted(set(points.values())):
            if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in best):
                best.add(point)
        return [name for name in names if points[name] in best]

    def notes(self) -> list[str]:
        """What should be known beside the table."""
        alike: dict[str, list[str]] = {}
        for name, row in self.rows.items():
            alike.setdefault(row.hash, []).append(name)
        notes = [f"{' and '.join(names)} are one architecture" for names in alike.values() if len(names) > 1]
        rows = self.rows.values()
        if assumed := {row.in_shape[1:] for row in rows if row.assumed}:
            told = ", ".join(sorted(map(times, assumed)))
            notes.append(f"where a spec names no input size it is measured at {told}")
        sizes = {row.in_shape[1:] for row in rows}
        if len(axes := sorted({len(size) for size in sizes})) > 1:
            told = " and ".join(map(str, axes))
            notes.append(f"the networks have {told} axes, so MACs, memory and outputs are of different inputs")
        if len(sizes) > len(axes):
            notes.append("the input sizes differ, and with them MACs, memory and outputs; --input-size makes them one")
        return notes

    def _costs(self, rows: Sequence[Row]) -> Iterator[Filled]:
        """The measures, and for people how the two that count most compare with the base's."""
        base = self.rows[self.base]
        for measure in MEASURES.values():
            values = [row.numbers[measure.name] for row in rows]
            whole = max(base.numbers[measure.name], 1)
            yield Column(measure.name, measure.head, _SHOWN[measure.unit], number=True), values
            if measure.name in ("params", "macs") and len(self.rows) > 1:
                changes = [None if row is base else value / whole - 1 for row, value in zip(rows, values, strict=True)]
                yield Column("", f"± {measure.head}", "{:+.1%}".format, number=True, readers="people"), changes

    def _shapes(self, rows: Sequence[Row]) -> Iterator[Filled]:
        """The outputs, and the inputs where they differ."""
        if len({row.in_shape[1:] for row in self.rows.values()}) > 1:
            yield Column("input", "input", _times), ["x".join(map(str, row.in_shape)) for row in rows]
        yield Column("output", "output", _times), ["x".join(map(str, row.out_shape)) for row in rows]


class _Measuring:
    """Measures specs at the size that is asked for, or at their own; those that have none at one size, if it fits."""

    def __init__(self, input_size: Size | None) -> None:
        self.input_size = input_size
        self.assumed: dict[int, Size] = {}

    def row(self, spec: Spec) -> Row:
        """Everything that is kept of a spec. Raises SpecError."""
        report = self._report(spec, draw(spec))
        numbers = {measure.name: measure.of(report) for measure in MEASURES.values()}
        return Row(spec.hash, leaves_of(spec), numbers, report.in_shape, report.out_shape, report.assumed)

    def _report(self, spec: Spec, graph: Graph) -> Report:
        first = self.assumed.get(spec.dims)
        if self.input_size is not None:
            return Report.of(spec, graph, self._asked(spec, self.input_size))
        if spec.input_size is None and first is not None and fits(graph, first):
            return Report.of(spec, graph, first, assumed=True)
        report = Report.of(spec, graph)
        if report.assumed:
            self.assumed.setdefault(spec.dims, report.input_size)
        return report

    def _asked(self, spec: Spec, size: Size) -> Size:
        if len(size) not in (1, spec.dims):
            message = f"{times(size)} has {len(size)} numbers, the network has {spec.dims} axes"
            raise SpecError([Problem("input_size", "input_size", message, "give one number for all axes")])
        return size if len(size) == spec.dims else size * spec.dims


def _times(shape: str) -> str:
    return shape.replace("x", " x ")


def _short(name: str) -> str:
    """A name of a variant that is too long for a table, by its beginning and its hash; columns say the rest."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 12]}...{name[-9:]}"


def _setting(path: str) -> Column:
    """The column of a setting; ``input`` is what sizes are under."""
    name = "input.type" if path == "input" else path
    return Column(name, name)


def _key(value: Value) -> tuple[bool, tuple[float, ...], str]:
    """Numbers by their size, lists and shapes by one number after the other, then words."""
    text = str(value)
    try:
        return False, tuple(map(float, re.split("x|, ", text.strip("[]")))), ""
    except ValueError:
        return True, (), text
