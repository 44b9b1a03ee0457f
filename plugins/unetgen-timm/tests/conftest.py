"""Provide a registry with this plugin, subprocesses, and a timm that can be imported with a torch without CUDA."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import unetgen
from unetgen.config.registry.registry import Registry

import torchvision_stub
from unetgen_timm.library import import_timm

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
PLUGIN = "unetgen_timm.plugin"


def _torchvision_imports() -> bool:
    """Check in another process, because a half-imported module cannot be imported again."""
    return (
        subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False).returncode == 0
    )


NEEDS_STUB = torch.version.cuda is None and not _torchvision_imports()
if NEEDS_STUB:
    torchvision_stub.declare_operators()
import_timm()  # this ignores torch's deprecation warnings, which would fail tests


@pytest.fixture(scope="session")
def registry() -> Registry:
    """All installed plugins, and this one even if it is not installed."""
    return unetgen.load_registry([PLUGIN])


@pytest.fixture(scope="session", autouse=True)
def single_torch_thread() -> None:
    """Small networks run faster with one thread on a busy machine."""
    torch.set_num_threads(1)


CompletedProcess = subprocess.CompletedProcess[str]
RunCode = Callable[..., CompletedProcess]


@pytest.fixture
def run_code() -> RunCode:
    """Run Python code in another process, by default with the torchvision stub if this process needs it."""

    def run(code: str, *, with_stub: bool = True, first_path: str = "", **environment: str) -> CompletedProcess:
        paths = [*filter(None, [first_path]), str(HERE), *sys.path]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", **environment}
        if with_stub and NEEDS_STUB:
            code = f"import torchvision_stub\ntorchvision_stub.declare_operators()\n{code}"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compilers take seconds for each part: conformance to tracing is for the slow tier."""
    for item in items:
        if item.name.endswith("-tracing]"):
            item.add_marker(pytest.mark.slow)
