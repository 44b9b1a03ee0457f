"""Format tables of values as text, CSV, JSON, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

CellValue = bool | int | float | str | None

# The text of a cell without a value.
EMPTY_CELL = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a title and a formatter for readers, a name for CSV and JSON."""

    name: str
    title: str
    formatter: Callable[[Any], str] = str
    is_numeric: bool = False
    audience: Literal["all", "people", "programs"] = "all"
    """The formats that include the column: text, Markdown and LaTeX for people, CSV and JSON for programs."""


@dataclass(frozen=True)
class DataTable:
    """Rows of values under columns; formats for people use the columns' formatters, CSV and JSON the raw values."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[CellValue, ...], ...]

    def text(self, *, transposed: bool = False) -> str:
        """Format for a terminal, without wrapping; ``transposed`` turns rows into columns."""
        selected = self._select_columns("people")
        titles, cells = [column.title for column in selected.columns], selected._format_cells()
        right = [column.is_numeric for column in selected.columns]
        if transposed:
            titles, *cells = [list(line) for line in zip(titles, *cells, strict=True)]
            right = [False] * len(titles)
        table = Table(box=None, pad_edge=False)
        for title, number in zip(titles, right, strict=True):
            table.add_column(Text(title), justify="right" if number else "left", no_wrap=True)
        for row in cells:
            table.add_row(*map(Text, row))
        # Long lines are easier to read than wrapped or truncated cells.
        stream = io.StringIO()
        Console(file=stream, width=100_000).print(table)
        return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())

    def csv(self) -> str:
        """Format as comma-separated values: RFC 4180, but with line feeds."""
        selected, text = self._select_columns("programs"), io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.name for column in selected.columns)
        writer.writerows(["" if value is None else value for value in row] for row in selected.rows)
        return text.getvalue()

    def json(self) -> str:
        """Format as a JSON list of objects."""
        selected = self._select_columns("programs")
        names = [column.name for column in selected.columns]
        records = [dict(zip(names, row, strict=True)) for row in selected.rows]
        return json.dumps(records, indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """Format as a table in GitHub's Markdown."""
        selected = self._select_columns("people")
        titles = [_escape_markdown(column.title) for column in selected.columns]
        rules = ["---:" if column.is_numeric else "---" for column in selected.columns]
        rows = [[_escape_markdown(cell) for cell in cells] for cells in selected._format_cells()]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in (titles, rules, *rows))

    def latex(self) -> str:
        r"""Format as a LaTeX tabular with the rules of booktabs: ``\usepackage{booktabs}``."""
        selected = self._select_columns("people")
        spec = "".join("r" if column.is_numeric else "l" for column in selected.columns)
        titles = [column.title for column in selected.columns]
        header, *rows = map(_format_latex_row, [titles, *selected._format_cells()])
        lines = [rf"\begin{{tabular}}{{{spec}}}", r"\toprule", header, r"\midrule", *rows]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def _select_columns(self, audience: Literal["people", "programs"]) -> DataTable:
        """Return the table with only the columns for an audience."""
        kept = [number for number, column in enumerate(self.columns) if column.audience in ("all", audience)]
        rows = tuple(tuple(row[number] for number in kept) for row in self.rows)
        return DataTable(tuple(self.columns[number] for number in kept), rows)

    def _format_cells(self) -> list[list[str]]:
        return [
            [
                EMPTY_CELL if value is None else column.formatter(value)
                for column, value in zip(self.columns, row, strict=True)
            ]
            for row in self.rows
        ]


def _escape_markdown(text: str) -> str:
    # A cell is one line, and may not be read as HTML, code, emphasis or a link.
    escaped = "".join(f"\\{letter}" if letter in r"\|*_`[]<>~&!#" else letter for letter in text)
    return " ".join(escaped.split())


_LATEX_ESCAPES = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "\u00b1": r"$\pm$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip


def _escape_latex(text: str) -> str:
    return " ".join("".join(_LATEX_ESCAPES.get(letter, letter) for letter in text).split())


def _format_latex_row(cells: Sequence[str]) -> str:
    text = " & ".join(map(_escape_latex, cells))
    # A rule or a line break before these would read them as its arguments.
    return rf"{'{}' if text.startswith(('[', '*')) else ''}{text} \\"


def format_count(value: float, units: Sequence[str] = ("", " k", " M", " G", " T", " P")) -> str:
    """Format a count with at most four significant digits: ``31.03 M``."""
    scaled, unit = float(value), 0
    while abs(scaled) >= 999.95 and unit < len(units) - 1:
        scaled, unit = scaled / 1000, unit + 1
    if unit == 0:
        return f"{value:,}{units[0]}"
    return f"{scaled:.{2 if abs(scaled) < 99.995 else 1}f}{units[unit]}"


def format_bytes(value: float) -> str:
    """Format a number of bytes in decimal units, with at most four significant digits: ``751.8 MB``."""
    return format_count(value, (" B", " kB", " MB", " GB", " TB", " PB"))
