"""Printing tables: colour on a terminal only, and full width elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console


def print_renderables(*renderables: Any) -> None:
    """Prints tables and lines to stdout."""
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    for thing in renderables:
        console.print(thing, markup=False) if isinstance(thing, str) else console.print(thing)
