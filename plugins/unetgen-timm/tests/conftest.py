"""A registry with this plugin in it, other processes, and a timm that can be imported beside a torch without CUDA."""

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

import operators
from unetgen_timm.library import import_timm

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
PLUGIN = "unetgen_timm.plugin"


def _torchvision_imports() -> bool:
    """Whether it does, asked in another process, since one that is half imported stays that way."""
    return (
        subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False).returncode == 0
    )


DECLARED = torch.version.cuda is None and not _torchvision_imports()
if DECLARED:
    operators.declare()
import_timm()  # in this way torch's warnings to its authors fail no test


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Everything that is installed, and this plugin whether it is or not."""
    return unetgen.load_registry([PLUGIN])


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks this small wait longer for a second thread, on a busy machine, than they run."""
    torch.set_num_threads(1)


Done = subprocess.CompletedProcess[str]
Process = Callable[..., Done]


@pytest.fixture
def process() -> Process:
    """Runs Python code in a process of its own, which imports torchvision as this one does unless told otherwise."""

    def run(code: str, *, prepared: bool = True, first: str = "", **environment: str) -> Done:
        paths = [*filter(None, [first]), str(HERE), *sys.path]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", **environment}
        code = f"import operators\noperators.declare()\n{code}" if prepared and DECLARED else code
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)

    return run
