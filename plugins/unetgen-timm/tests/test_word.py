"""Every part is what it says it is."""

from __future__ import annotations

from collections.abc import Callable


def test_parts_keep_their_word(unetgen_check: Callable[[], None]) -> None:
    unetgen_check()
