"""Engine: what carries trials out, and the events that it tells while it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.trial import Trial


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial has begun, or waits for its turn where nobody hears of that."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class MetricsReported:
    """A trial has told metrics on its way."""

    trial: Trial
    step: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class TrialFinished:
    """A trial is over, well or not."""

    trial: Trial
    result: TrialResult


Event = TrialStarted | MetricsReported | TrialFinished


class Engine(Protocol):
    """Trials in, events out. When the iterator is closed, whatever still runs is ended."""

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[Event]:
        """Carries all trials out. Each that starts ends, if the iterator does.

        Raises RunError where it cannot go on.
        """
