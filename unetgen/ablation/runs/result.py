"""The result of a trial, and the file in its directory that stores it before it is recorded in the database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unetgen.ablation.runs.metrics import as_floats, validate_metrics
from unetgen.atomic_files import replace_when_complete

# Every finished trial has this file, even if its run was killed. The name avoids clashes with the trial's own files.
RESULT_FILE = ".receipt.json"


@dataclass(frozen=True)
class TrialResult:
    """Metrics, or a one-line error."""

    metrics: dict[str, float] = field(default_factory=dict)
    curves: tuple[tuple[int, dict[str, float]], ...] = ()
    seconds: float = 0.0
    error: str = ""
    device: str = ""

    def write(self, directory: Path) -> None:
        """Write the result file atomically and flush it to the disk."""
        with replace_when_complete(directory / RESULT_FILE, is_durable=True) as partial:
            partial.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_result(directory: Path) -> TrialResult | None:
    """Return the result of a finished trial, or None if its file is missing or invalid."""
    try:
        data: dict[str, Any] = json.loads((directory / RESULT_FILE).read_text(encoding="utf-8"))
        curves = tuple((int(step), as_floats(metrics)) for step, metrics in data["curves"])
        return TrialResult(validate_metrics(data["metrics"]), curves, float(data["seconds"]), "", str(data["device"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
