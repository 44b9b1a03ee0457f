"""Context: what a trial is told about itself, and how it tells how it is going."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from unetgen.ablation.runs.metrics import as_floats

# What a database takes.
_STEP_LIMIT = 2**63

ReportCallback = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrialContext:
    """The third argument of a trial: ``trial(model, spec, context)``."""

    name: str
    """The variant's name in the sweep."""
    seed: int
    """What is random follows from it: ``random``, numpy and torch are seeded with it, and so are the first weights."""
    device: str
    """Where the model is: ``cpu``, ``cuda:0``."""
    directory: Path
    """A folder of this trial's own, the same when it is tried again."""
    attempt: int = 1
    """How often it has been begun."""
    on_report: ReportCallback = field(default=lambda step, metrics: None, repr=False)

    @property
    def checkpoint(self) -> Path:
        """Where to keep what is needed to go on: there already if an earlier attempt got so far."""
        return self.directory / "checkpoint.pt"

    def report(self, step: int, **metrics: float) -> None:
        """Tells metrics on the way, for learning curves. Raises TypeError and ValueError where one is no number."""
        if not metrics:
            raise TypeError("context.report was given no metrics; give at least one, context.report(step, loss=0.5)")
        if not -_STEP_LIMIT <= (number := int(step)) < _STEP_LIMIT:
            raise ValueError("context.report was given a step of more than 63 bits; count steps from 0 or 1")
        self.on_report(number, as_floats(metrics))
