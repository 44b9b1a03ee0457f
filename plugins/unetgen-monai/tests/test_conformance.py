"""Check that every part behaves as it declares."""

from __future__ import annotations

from collections.abc import Callable


def test_parts_conform(unetgen_check: Callable[[], None]) -> None:
    unetgen_check()
