"""Validate the metrics that a trial returns or reports: numbers by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from unetgen.ablation.runs.error_text import escape_unencodable

# Sums of squares of larger values over many seeds overflow.
MAX_MAGNITUDE = 1e150


def validate_metrics(metrics: Any) -> dict[str, float]:
    """Return a trial's metrics as floats. Tensors and arrays of one element are converted.

    Raises:
        TypeError: The trial returned something else than a mapping of names to numbers.
        ValueError: A value is not finite, or larger than ``MAX_MAGNITUDE``.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(
            f"the trial returned {_describe_type(metrics)}; return a mapping of names to numbers, {{'dice': 0.9}}"
        )
    if not metrics:
        raise TypeError("the trial returned no metrics; return at least one, {'dice': 0.9}")
    values = as_floats(metrics)
    wrong = [f"{name!r} is {_format_non_finite(v)}" for name, v in values.items() if not math.isfinite(v)]
    if wrong:
        raise ValueError(f"metric {', '.join(wrong)}; check its learning curve")
    large = [f"{name!r} is {value:g}" for name, value in values.items() if abs(value) > MAX_MAGNITUDE]
    if large:
        limit = f"larger than {MAX_MAGNITUDE:g}"
        raise ValueError(f"metric {', '.join(large)}, {limit}; return its logarithm, or use another unit")
    return values


def as_floats(metrics: Mapping[Any, Any]) -> dict[str, float]:
    """Convert metrics to floats, finite or not. Raise TypeError if one is not a number."""
    named = ((escape_unencodable(str(name)), value) for name, value in metrics.items())
    return {name: _as_float(name, value) for name, value in named}


def _as_float(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        single = value.item() if hasattr(value, "item") else value
        return float(single)
    except OverflowError:  # Python's integers are unbounded
        return math.inf if single > 0 else -math.inf
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"metric {name!r} is {_describe_type(value)}; return a number") from None


def _format_non_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else str(value)


def _describe_type(value: Any) -> str:
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
