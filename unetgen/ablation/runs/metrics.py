"""Metrics: what a trial returns, as numbers by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from unetgen.ablation.runs.error_text import escape_unencodable

# Beyond this, sums of squares over many seeds have no number.
MAX_MAGNITUDE = 1e150


def validate_metrics(metrics: Any) -> dict[str, float]:
    """What a trial returned, as numbers by name; tensors and arrays of one element count.

    Raises TypeError of what is no number, and ValueError of one that no mean can be taken of.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(
            f"the trial returned {_describe_type(metrics)}; return a mapping of names to numbers, {{'dice': 0.9}}"
        )
    if not metrics:
        raise TypeError("the trial returned no metrics; return at least one, {'dice': 0.9}")
    found = as_floats(metrics)
    wrong = [f"{name!r} is {value}" for name, value in found.items() if not math.isfinite(value)]
    if wrong:
        raise ValueError(f"metric {', '.join(wrong)}, which no mean can be taken of; look at its learning curve")
    large = [f"{name!r} is {value:g}" for name, value in found.items() if abs(value) > MAX_MAGNITUDE]
    if large:
        raise ValueError(f"metric {', '.join(large)}, beyond {MAX_MAGNITUDE:g}; return its logarithm, or another unit")
    return found


def as_floats(metrics: Mapping[Any, Any]) -> dict[str, float]:
    """Numbers by name, finite or not. Raises TypeError."""
    return {
        name: _as_float(name, value) for name, value in ((escape_unencodable(str(n)), v) for n, v in metrics.items())
    }


def _as_float(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        single = value.item() if hasattr(value, "item") else value
        return float(single)
    except OverflowError:  # an int is as long as it likes
        return math.inf if single > 0 else -math.inf
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"metric {name!r} is {_describe_type(value)}; return a number") from None


def _describe_type(value: Any) -> str:
    kind = type(value).__name__
    return "nothing" if value is None else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
