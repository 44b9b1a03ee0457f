"""Fixtures of the tests of runs: a directory with sweeps, and an engine that runs no trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.runs import ONE_VARIANT_SWEEP, SWEEP, NullEngine
from unetgen.ablation.runs.engines.local import LocalEngine


@pytest.fixture
def sweep_dir(tmp_path: Path) -> Path:
    """A directory with two sweep files; results go to ``out`` in it."""
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "lone.yaml").write_text(ONE_VARIANT_SWEEP)
    return tmp_path


@pytest.fixture
def no_trials_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line run no trials."""
    monkeypatch.setattr(LocalEngine, "run_trials", NullEngine.run_trials)
