"""Sheet: rows of values under titled columns, and every format that they are written in."""

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

Value = bool | int | float | str | None

# What stands where a row has nothing to say.
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """A title for people, a name for programs, and how people write the values."""

    name: str
    title: str
    shown: Callable[[Any], str] = str
    number: bool = False
    readers: Literal["all", "people", "programs"] = "all"
    """Whom it is for."""


@dataclass(frozen=True)
class Sheet:
    """Rows under columns. People get values as they write them, programs get them as they are."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]

    def text(self, *, turned: bool = False) -> str:
        """For a terminal, as wide as it needs to be; ``turned`` has the rows beside each other, as columns."""
        shown = self._for("people")
        titles, cells = [column.title for column in shown.columns], shown._cells()
        right = [column.number for column in shown.columns]
        if turned:
            titles, *cells = [list(line) for line in zip(titles, *cells, strict=True)]
            right = [False] * len(titles)
        table = Table(box=None, pad_edge=False)
        for title, number in zip(titles, right, strict=True):
            table.add_column(Text(title), justify="right" if number else "left", no_wrap=True)
        for row in cells:
            table.add_row(*map(Text, row))
        # A cell that is folded or cut is worse than a line that is longer than the window.
        stream = io.StringIO()
        Console(file=stream, width=100_000).print(table)
        return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())

    def csv(self) -> str:
        """Comma-separated values, RFC 4180 but for lines that end in a line feed."""
        shown, text = self._for("programs"), io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.name for column in shown.columns)
        writer.writerows(["" if value is None else value for value in row] for row in shown.rows)
        return text.getvalue()

    def json(self) -> str:
        """A list of objects."""
        shown = self._for("programs")
        names = [column.name for column in shown.columns]
        records = [dict(zip(names, row, strict=True)) for row in shown.rows]
        return json.dumps(records, indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """A table of GitHub's Markdown."""
        shown = self._for("people")
        titles = [_markdown(column.title) for column in shown.columns]
        rules = ["---:" if column.number else "---" for column in shown.columns]
        rows = [[_markdown(cell) for cell in cells] for cells in shown._cells()]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in (titles, rules, *rows))

    def latex(self) -> str:
        r"""A tabular with the rules of booktabs: ``\usepackage{booktabs}``."""
        shown = self._for("people")
        spec = "".join("r" if column.number else "l" for column in shown.columns)
        titles, *rows = map(_latex_row, [[column.title for column in shown.columns], *shown._cells()])
        lines = [rf"\begin{{tabular}}{{{spec}}}", r"\toprule", titles, r"\midrule", *rows]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def _for(self, readers: Literal["people", "programs"]) -> Sheet:
        """The columns that are for some readers."""
        kept = [number for number, column in enumerate(self.columns) if column.readers in ("all", readers)]
        rows = tuple(tuple(row[number] for number in kept) for row in self.rows)
        return Sheet(tuple(self.columns[number] for number in kept), rows)

    def _cells(self) -> list[list[str]]:
        return [
            [NOTHING if value is None else column.shown(value) for column, value in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]


def _markdown(text: str) -> str:
    # A cell is one line, and what GitHub reads as HTML, code, emphasis or a link is none here.
    escaped = "".join(f"\\{letter}" if letter in r"\|*_`[]<>~&!#" else letter for letter in text)
    return " ".join(escaped.split())


_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "\u00b1": r"$\pm$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip


def _latex(text: str) -> str:
    return " ".join("".join(_LATEX.get(letter, letter) for letter in text).split())


def _latex_row(cells: Sequence[str]) -> str:
    text = " & ".join(map(_latex, cells))
    # The rule or the row above would take these for arguments of its own.
    return rf"{'{}' if text.startswith(('[', '*')) else ''}{text} \\"


def counted(value: float, units: Sequence[str] = ("", " k", " M", " G", " T", " P")) -> str:
    """A count in four digits: ``31.03 M``."""
    scaled, unit = float(value), 0
    while abs(scaled) >= 999.95 and unit < len(units) - 1:
        scaled, unit = scaled / 1000, unit + 1
    if unit == 0:
        return f"{value:,}{units[0]}"
    return f"{scaled:.{2 if abs(scaled) < 99.995 else 1}f}{units[unit]}"


def bytes_of(value: float) -> str:
    """A number of bytes in four digits: ``751.8 MB``."""
    return counted(value, (" B", " kB", " MB", " GB", " TB", " PB"))
