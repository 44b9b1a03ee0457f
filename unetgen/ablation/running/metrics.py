"""Metrics: what a trial returns, as numbers by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from unetgen.ablation.running.mishap import writable

# Beyond this, sums of squares over many seeds have no number.
LARGEST = 1e150


def checked(metrics: Any) -> dict[str, float]:
    """What a trial returned, as numbers by name; tensors and arrays of one element count.

    Raises TypeError of what is no number, and ValueError of one that no mean can be taken of.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"the trial returned {_kind(metrics)}; return a mapping of names to numbers, {{'dice': 0.9}}")
    if not metrics:
        raise TypeError("the trial returned no metrics; return at least one, {'dice': 0.9}")
    found = numbers(metrics)
    wrong = [f"{name!r} is {value}" for name, value in found.items() if not math.isfinite(value)]
    if wrong:
        raise ValueError(f"metric {', '.join(wrong)}, which no mean can be taken of; look at its learning curve")
    large = [f"{name!r} is {value:g}" for name, value in found.items() if abs(value) > LARGEST]
    if large:
        raise ValueError(f"metric {', '.join(large)}, beyond {LARGEST:g}; return its logarithm, or another unit")
    return found


def numbers(metrics: Mapping[Any, Any]) -> dict[str, float]:
    """Numbers by name, finite or not. Raises TypeError."""
    return {name: _number(name, value) for name, value in ((writable(str(n)), v) for n, v in metrics.items())}


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        single = value.item() if hasattr(value, "item") else value
        return float(single)
    except OverflowError:  # an int is as long as it likes
        return math.inf if single > 0 else -math.inf
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"metric {name!r} is {_kind(value)}; return a number") from None


def _kind(value: Any) -> str:
    kind = type(value).__name__
    return "nothing" if value is None else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
