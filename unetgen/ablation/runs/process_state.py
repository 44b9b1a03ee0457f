"""Save and restore process-wide state around a trial: environment, warnings, streams, random and torch settings.

Otherwise the results of a trial would depend on the trials that its process executed before.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def preserve_process_state() -> Iterator[None]:
    """Restore environment, working directory, import path, warnings, and numpy and torch settings on exit."""
    import numpy as np

    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(np.errstate())
        stack.callback(os.chdir, os.getcwd())
        stack.callback(_restore_environment, dict(os.environ), list(sys.path))
        for read, write in _torch_settings():
            stack.callback(write, read())
        yield


@contextmanager
def preserve_caller_state() -> Iterator[None]:
    """Restore, in addition, what a worker process need not: streams, random states and the caller's torch defaults.

    Inside, torch has the defaults that a worker starts with: gradients, float32 and no default device.
    """
    import torch

    with preserve_process_state(), torch.inference_mode(mode=False), ExitStack() as stack:
        stack.callback(_restore_streams, sys.stdin, sys.stdout, sys.stderr)
        _preserve_random_states(stack)
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        yield


def _restore_environment(environment: dict[str, str], path: list[str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path


def _restore_streams(stdin: Any, stdout: Any, stderr: Any) -> None:
    sys.stdin, sys.stdout, sys.stderr = stdin, stdout, stderr


def _preserve_random_states(stack: ExitStack) -> None:
    """Restore the global generators of ``random``, numpy and torch when the stack is closed."""
    import numpy as np
    import torch

    gpu_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    stack.callback(_restore_gpu_states, gpu_states)
    stack.callback(torch.set_rng_state, torch.get_rng_state())
    stack.callback(np.random.set_state, np.random.get_state())
    stack.callback(random.setstate, random.getstate())


def _restore_gpu_states(states: list[Any] | None) -> None:
    """Restore the generators of all GPUs; those that the trial initialised get the caller's seed."""
    import torch

    if states is not None:
        torch.cuda.set_rng_state_all(states)
    elif torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(torch.initial_seed())


def _torch_settings() -> list[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Return a reader and a writer for each process-wide setting of torch."""
    import torch

    def read_determinism() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()

    def write_determinism(setting: tuple[bool, bool]) -> None:
        torch.use_deterministic_algorithms(setting[0], warn_only=setting[1])

    def write_default_device(device: torch.device) -> None:
        torch.set_default_device(None if device.type == "cpu" else device)

    cudnn = torch.backends.cudnn
    return [
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_default_device, write_default_device),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        (read_determinism, write_determinism),
        (lambda: cudnn.benchmark, lambda setting: setattr(cudnn, "benchmark", setting)),
        (lambda: cudnn.deterministic, lambda setting: setattr(cudnn, "deterministic", setting)),
    ]
