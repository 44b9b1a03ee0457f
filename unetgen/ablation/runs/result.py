"""Result: what became of a trial, and the receipt that it leaves in its folder before anybody is told."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unetgen.ablation.runs.metrics import as_floats, validate_metrics

# A trial that is finished has this file, whoever may have been killed since. Trials have files of their own here.
RESULT_FILE = ".receipt.json"


@dataclass(frozen=True)
class TrialResult:
    """Metrics, or the line that says what went wrong."""

    metrics: dict[str, float] = field(default_factory=dict)
    curves: tuple[tuple[int, dict[str, float]], ...] = ()
    seconds: float = 0.0
    error: str = ""
    device: str = ""

    def write(self, directory: Path) -> None:
        """Writes the receipt, whole or not at all, and through to the disk."""
        partial = directory / f"{RESULT_FILE}.partial"
        with partial.open("w", encoding="utf-8") as opened:
            json.dump(asdict(self), opened)
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(directory / RESULT_FILE)


def read_result(directory: Path) -> TrialResult | None:
    """What a finished trial left; None where there is nothing that can be read."""
    try:
        said: dict[str, Any] = json.loads((directory / RESULT_FILE).read_text(encoding="utf-8"))
        curves = tuple((int(step), as_floats(metrics)) for step, metrics in said["curves"])
        return TrialResult(validate_metrics(said["metrics"]), curves, float(said["seconds"]), "", str(said["device"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
