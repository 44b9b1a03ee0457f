"""Trial: one variant with one seed, or a baseline; everything that another process needs to carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unetgen.errors import RunError

# Where a sweep's directory keeps what trials write.
TRIALS_DIRECTORY = "trials"

# Seconds that the system's clocks can count; a year is more than anybody waits.
_MAX_TIMEOUT_S = 365 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What a trial is carried out under."""

    device: str = "auto"
    """``auto`` is a GPU where there is one."""
    threads: int = 0
    """How many torch takes; 0 leaves it as it is."""
    timeout: float | None = None
    """Seconds."""

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout <= _MAX_TIMEOUT_S:
            raise RunError(
                f"a timeout of {self.timeout:g} s is none; give seconds, up to {_MAX_TIMEOUT_S:,} for a year"
            )


@dataclass(frozen=True, slots=True)
class Trial:
    """What is carried out once. It is plain data, so that it can be sent anywhere."""

    name: str
    """The variant's name, or the baseline's."""
    seed: int
    attempt: int
    function_name: str
    """``module:function`` or ``file.py:function``."""
    run_directory: Path
    """The sweep's directory."""
    cwd: Path
    """Where the command was given: what the trial and its options name relative to it is found by everybody."""
    options: Mapping[str, Any] = field(default_factory=dict)
    spec: str = ""
    """The variant's complete spec as YAML; for a baseline that of the base."""
    is_baseline: bool = False
    plugins: tuple[str, ...] = ()
    limits: TrialLimits = TrialLimits()

    @property
    def directory(self) -> Path:
        """What the trial may write to, kept over attempts."""
        return self.run_directory / TRIALS_DIRECTORY / self.name / f"seed-{self.seed}"

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.name}, seed {self.seed}" if not self.is_baseline else self.name
