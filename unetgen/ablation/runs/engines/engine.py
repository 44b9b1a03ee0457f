"""Define the interface of engines, which run trials, and the events that they yield."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.trial import Trial


@dataclass(frozen=True, slots=True)
class TrialSubmitted:
    """A trial has started, or is queued where the engine cannot observe its start."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class MetricsReported:
    """A trial has reported metrics."""

    trial: Trial
    step: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class TrialFinished:
    """A trial has ended, with metrics or with an error."""

    trial: Trial
    result: TrialResult


Event = TrialSubmitted | MetricsReported | TrialFinished


class Engine(Protocol):
    """Runs trials and yields their events. Closing the iterator stops the trials that are still running."""

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """Run all trials. If the iterator is exhausted, every TrialSubmitted is followed by a TrialFinished.

        Args:
            trials: The trials, in the order in which they are to start.

        Raises:
            RunError: The engine cannot continue.
        """
