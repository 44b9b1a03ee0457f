"""The third argument of a trial: its seed, device and directory, and a method that reports metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from unetgen.ablation.runs.metrics import as_floats

# SQLite's integers have 64 bits.
_STEP_LIMIT = 2**63

ReportCallback = Callable[[int, dict[str, float]], None]


def ignore_report(step: int, metrics: dict[str, float]) -> None:
    """Do nothing with reported metrics."""


@dataclass(frozen=True)
class TrialContext:
    """The third argument of a trial: ``trial(model, spec, context)``."""

    name: str
    """The variant's name in the sweep."""
    seed: int
    """The seed of the initial weights; ``random``, numpy and torch are seeded with it too."""
    device: str
    """The model's device: ``cpu``, ``cuda:0``."""
    directory: Path
    """This trial's own directory, the same in each attempt."""
    attempt: int = 1
    """The number of this attempt, from 1."""
    on_report: ReportCallback = field(default=ignore_report, repr=False)

    @property
    def checkpoint(self) -> Path:
        """The file for a checkpoint. It exists if an earlier attempt wrote it."""
        return self.directory / "checkpoint.pt"

    def report(self, step: int, **metrics: float) -> None:
        """Report metrics during the trial; they become learning curves.

        Args:
            step: The step, such as an epoch, an integer of at most 63 bits.
            **metrics: Numbers by name; tensors and arrays of one element are converted.

        Raises:
            TypeError: No metric is passed, or one is not a number.
            ValueError: The step has more than 63 bits.
        """
        if not metrics:
            raise TypeError("context.report got no metrics; pass at least one, context.report(step, loss=0.5)")
        if not -_STEP_LIMIT <= (number := int(step)) < _STEP_LIMIT:
            raise ValueError("context.report got a step of more than 63 bits; count steps from 0 or 1")
        self.on_report(number, as_floats(metrics))
