"""Context: what a trial is told about itself, and how it tells how it is going."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from unetgen.ablation.running.metrics import checked

Report = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Context:
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
    heard: Report = field(default=lambda step, metrics: None, repr=False)

    @property
    def checkpoint(self) -> Path:
        """Where to keep what is needed to go on: there already if an earlier attempt got so far."""
        return self.directory / "checkpoint.pt"

    def report(self, step: int, **metrics: float) -> None:
        """Tells metrics on the way, for learning curves. Raises TypeError and ValueError where one is no number."""
        self.heard(int(step), checked(metrics, finite=False))
