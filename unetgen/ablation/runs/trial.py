"""Describe a trial, one variant with one seed or a baseline, as plain data that can be sent to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unetgen.errors import RunError

# The subdirectory of a run directory with the files of its trials.
TRIALS_DIRECTORY = "trials"

# A year in seconds. The system's timers overflow at larger values.
_MAX_TIMEOUT_S = 365 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """The device, the number of threads and the timeout of a trial."""

    device: str = "auto"
    """``auto`` is a GPU if one is available, else the CPU."""
    threads: int = 0
    """The number of torch's threads; 0 keeps the current number."""
    timeout: float | None = None
    """Seconds until the trial is stopped; None is no limit."""

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout <= _MAX_TIMEOUT_S:
            raise RunError(f"timeout {self.timeout:g} s is invalid; use more than 0 and at most {_MAX_TIMEOUT_S:,} s")


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: a variant with a seed, or a baseline."""

    name: str
    """The variant's name, or the baseline's."""
    seed: int
    attempt: int
    function_name: str
    """``module:function`` or ``file.py:function``."""
    run_directory: Path
    """The sweep's directory, which also has the results."""
    cwd: Path
    """The directory where the run was started. Paths of the trial and its options are relative to it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    spec: str = ""
    """The variant's complete spec as YAML; for a baseline the base's spec."""
    is_baseline: bool = False
    plugins: tuple[str, ...] = ()
    limits: TrialLimits = TrialLimits()

    @property
    def directory(self) -> Path:
        """The trial's own directory, the same in each attempt."""
        return get_trial_directory(self.run_directory, self.name, self.seed)

    @property
    def label(self) -> str:
        """The trial's name in messages."""
        return f"{self.name}, seed {self.seed}" if not self.is_baseline else self.name


def get_trial_directory(run_directory: Path, name: str, seed: int) -> Path:
    """Return the directory of the trial of a variant or baseline with a seed."""
    return run_directory / TRIALS_DIRECTORY / name / f"seed-{seed}"
