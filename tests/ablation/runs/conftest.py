"""Fixtures of the tests of runs: a folder with sweeps, and an engine that runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.runs import ONE_VARIANT_SWEEP, SWEEP, NullEngine
from unetgen.ablation.runs.engines.local import LocalEngine


@pytest.fixture
def sweep_dir(tmp_path: Path) -> Path:
    """A folder with a sweep; results go to ``out`` beside it."""
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "lone.yaml").write_text(ONE_VARIANT_SWEEP)
    return tmp_path


@pytest.fixture
def no_trials_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is carried out on the command line either."""
    monkeypatch.setattr(LocalEngine, "events", NullEngine.events)
