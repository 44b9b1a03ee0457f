"""A small aligned table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Row = Sequence[str]

_WIDTHS = {"quartiles": 15, "min - max": 15, "pairs": 5}


class Table:
    """Prints each row as soon as it is known, under a header; the first column is as wide as it is told."""

    def __init__(self, *headers: str, first: int = 36) -> None:
        self.widths = [first, *(_WIDTHS.get(header, 7) for header in headers[1:])]
        self.print_row(*headers)

    def print_row(self, *cells: str) -> None:
        """Prints one row: text on the left, numbers on the right."""
        print("  ".join(self._align(cells)).rstrip(), flush=True)

    def _align(self, cells: Row) -> Iterator[str]:
        for index, (cell, width) in enumerate(zip(cells, self.widths, strict=False)):
            yield f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}"
