"""Which of a test's parameters belong to the README's line, and which to the slow tier."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_unless(in_line: Collection[Any], values: Iterable[Any]) -> list[Any]:
    """All values as parameters; those that are not ``in_line`` are marked slow."""
    listed = list(values)
    unknown = [value for value in in_line if value not in listed]
    assert not unknown, f"not among the parameters: {unknown}"
    return [value if value in in_line else pytest.param(value, marks=pytest.mark.slow) for value in listed]
