"""The result of a command that a test runs in its own process."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str
