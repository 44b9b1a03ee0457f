"""Measure the peak memory of one network in a separate process, which ``benchmarks.network`` starts.

    python -m benchmarks.peak SIDE NETWORK MODE WIDTH SIZE...

prints the growth of the resident set in KiB, from before the measured call to its peak. A first call, which is not
measured, loads code, threads and kernels; gradients and free memory are released before the second.
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.pair import TWINS, build_ours, compute_loss, make_image

_STATUS_FILE, _RESET_FILE = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def main() -> None:
    """Measure the network and mode of the arguments."""
    side, name, mode, width, *size = sys.argv[1:]
    model = build_ours(name, int(width)) if side == "ours" else TWINS[name].handwritten(width=int(width))
    x = make_image(name, tuple(map(int, size)))
    run = make_forward(model, x) if mode == "forward" else make_training_step(model, x)
    run()
    print(measure_growth(model, run))


def make_forward(model: nn.Module, x: Tensor) -> Callable[[], object]:
    """Return a function that runs an inference."""
    model.eval()

    def run() -> None:
        with torch.inference_mode():
            model(x)

    return run


def make_training_step(model: nn.Module, x: Tensor) -> Callable[[], object]:
    """Return a function that runs a training step."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        compute_loss(model(x)).backward()
        optimizer.step()

    return run


def measure_growth(model: nn.Module, run: Callable[[], object]) -> int:
    """Return the growth of the resident set during a run, in KiB."""
    model.zero_grad(set_to_none=True)
    gc.collect()
    _trim()
    before = _read_kibibytes("VmRSS")
    _RESET_FILE.write_text("5")  # resets the high-water mark
    run()
    return _read_kibibytes("VmHWM") - before


def _trim() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _read_kibibytes(key: str) -> int:
    match = re.search(rf"{key}:\s+(\d+) kB", _STATUS_FILE.read_text())
    assert match is not None
    return int(match[1])


if __name__ == "__main__":
    main()
