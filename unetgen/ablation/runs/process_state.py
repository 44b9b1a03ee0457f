"""Surroundings: what one trial changes about its process, and the next must find as it was.

Otherwise results would follow from which trials a worker has carried out before.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def preserve_process_state() -> Iterator[None]:
    """Puts back the environment, the folder, the path of imports, warnings, and what torch and numpy are set to."""
    import numpy as np

    with ExitStack() as back:
        back.enter_context(warnings.catch_warnings())
        back.enter_context(np.errstate())
        back.callback(os.chdir, os.getcwd())
        back.callback(_restore_environment, dict(os.environ), list(sys.path))
        for read, write in _get_torch_settings():
            back.callback(write, read())
        yield


def _restore_environment(environment: dict[str, str], path: list[str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path


def _get_torch_settings() -> list[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """What torch is set to for a whole process: how each is read, and how it is written."""
    import torch

    def strictness() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()

    def be_strict(said: tuple[bool, bool]) -> None:
        torch.use_deterministic_algorithms(said[0], warn_only=said[1])

    cudnn = torch.backends.cudnn
    return [
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.get_default_dtype, torch.set_default_dtype),
        (lambda: None, torch.set_default_device),  # a process starts with none
        (torch.get_num_threads, torch.set_num_threads),
        (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        (strictness, be_strict),
        (lambda: cudnn.benchmark, lambda said: setattr(cudnn, "benchmark", said)),
        (lambda: cudnn.deterministic, lambda said: setattr(cudnn, "deterministic", said)),
    ]
