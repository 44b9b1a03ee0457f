"""Metrics: what a trial returns, as numbers by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def checked(metrics: Any, *, finite: bool = True) -> dict[str, float]:
    """Numbers by name; tensors and arrays of one element count.

    Raises TypeError of what is no number, and ValueError of one that is not finite.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"the trial returned {_kind(metrics)}; return a mapping of names to numbers, {{'dice': 0.9}}")
    if not metrics:
        raise TypeError("the trial returned no metrics; return at least one, {'dice': 0.9}")
    found = {str(name): _number(str(name), value) for name, value in metrics.items()}
    wrong = [f"{name!r} is {value}" for name, value in found.items() if finite and not math.isfinite(value)]
    if wrong:
        raise ValueError(f"metric {', '.join(wrong)}, which no mean can be taken of; look at its learning curve")
    return found


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"metric {name!r} is {_kind(value)}; return a number") from None


def _kind(value: Any) -> str:
    kind = type(value).__name__
    return "nothing" if value is None else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
