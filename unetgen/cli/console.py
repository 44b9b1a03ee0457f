"""Print tables: with colour on a terminal only, and at full width elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console


def print_renderables(*renderables: Any) -> None:
    """Print tables and lines to stdout."""
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    for renderable in renderables:
        console.print(renderable, markup=not isinstance(renderable, str))
