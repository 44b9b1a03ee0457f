"""Print a small aligned table to the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Row = Sequence[str]

_WIDTHS = {"quartiles": 15, "min - max": 15, "pairs": 5}


class Table:
    """A table with a header that prints each row immediately; ``first`` is the width of the first column."""

    def __init__(self, *headers: str, first: int = 36) -> None:
        self.widths = [first, *(_WIDTHS.get(header, 7) for header in headers[1:])]
        self.print_row(*headers)

    def print_row(self, *cells: str) -> None:
        """Print one row: the first column left-aligned, the others right-aligned."""
        print("  ".join(self._align(cells)).rstrip(), flush=True)

    def _align(self, cells: Row) -> Iterator[str]:
        for index, (cell, width) in enumerate(zip(cells, self.widths, strict=False)):
            yield f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}"
