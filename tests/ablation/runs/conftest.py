"""Fixtures of the tests of runs: a directory with sweeps, and an engine that runs no trials."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT
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


# In a process of its own, so that a run only connects to it. It ends when pytest closes the pipe, or has ended.
_CLUSTER = """
import ray, sys
for attempt in range(3):  # Ray gives its node 30 s to start, which a busy machine may not have
    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        break
    except Exception:
        ray.shutdown()
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
ray.shutdown()
"""


@pytest.fixture(scope="session")
def ray_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one cluster for all tests that do not break it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")  # since Ray 2.60 the default of clusters, but not of those that connect
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        yield from _run_cluster(tmp_path_factory.mktemp("ray") / "stderr.txt")


def _run_cluster(stderr: Path) -> Iterator[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    with (
        stderr.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=file, text=True, env=environment,
        ) as cluster,
    ):  # fmt: skip
        assert cluster.stdout is not None
        lines = (line.strip() for line in cluster.stdout)
        address = next((line for line in lines if re.fullmatch(r"\S+:\d+", line)), "")
        assert address, stderr.read_text()[-2000:]
        yield address  # leaving the block closes the pipe
