"""Trial: one variant with one seed, or a baseline; everything that another process needs to carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unetgen.errors import RunError

# Where a sweep's directory keeps what trials write.
TRIALS = "trials"

# Seconds that the system's clocks can count; a year is more than anybody waits.
_LONGEST = 365 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a trial is carried out under."""

    device: str = "auto"
    """``auto`` is a GPU where there is one."""
    threads: int = 0
    """How many torch takes; 0 leaves it as it is."""
    timeout: float | None = None
    """Seconds."""

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout <= _LONGEST:
            raise RunError(f"a timeout of {self.timeout:g} s is none; give seconds, up to {_LONGEST:,} for a year")


@dataclass(frozen=True, slots=True)
class Trial:
    """What is carried out once. It is plain data, so that it can be sent anywhere."""

    name: str
    """The variant's name, or the baseline's."""
    seed: int
    attempt: int
    target: str
    """``module:function`` or ``file.py:function``."""
    folder: Path
    """The sweep's directory."""
    cwd: Path
    """Where the command was given: what the trial and its options name relative to it is found by everybody."""
    options: Mapping[str, Any] = field(default_factory=dict)
    spec: str = ""
    """The variant's complete spec as YAML; for a baseline that of the base."""
    baseline: bool = False
    plugins: tuple[str, ...] = ()
    conditions: Conditions = Conditions()

    @property
    def directory(self) -> Path:
        """What the trial may write to, kept over attempts."""
        return self.folder / TRIALS / self.name / f"seed-{self.seed}"

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.name}, seed {self.seed}" if not self.baseline else self.name
