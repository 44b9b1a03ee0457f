"""Peak memory of one network in a process of its own; ``benchmarks.network`` starts it.

    python -m benchmarks.peak SIDE NETWORK MODE WIDTH SIZE...

prints how many KiB the resident set grew, at its peak, over what it was before the measured call. A first call that is
not measured brings in code, threads and kernels; gradients and free memory are given back before the second.
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
    """Measures what the arguments say."""
    side, name, mode, width, *size = sys.argv[1:]
    model = build_ours(name, int(width)) if side == "ours" else TWINS[name].handwritten(width=int(width))
    x = make_image(name, tuple(map(int, size)))
    run = make_forward(model, x) if mode == "forward" else make_training_step(model, x)
    run()
    print(measure_growth(model, run))


def make_forward(model: nn.Module, x: Tensor) -> Callable[[], object]:
    """An inference."""
    model.eval()

    def run() -> None:
        with torch.inference_mode():
            model(x)

    return run


def make_training_step(model: nn.Module, x: Tensor) -> Callable[[], object]:
    """A training step."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        compute_loss(model(x)).backward()
        optimizer.step()

    return run


def measure_growth(model: nn.Module, run: Callable[[], object]) -> int:
    """KiB at the peak of a run above what there was before it."""
    model.zero_grad(set_to_none=True)
    gc.collect()
    _trim()
    before = _read_kibibytes("VmRSS")
    _RESET_FILE.write_text("5")  # the high-water mark starts again from here
    run()
    return _read_kibibytes("VmHWM") - before


def _trim() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _read_kibibytes(key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", _STATUS_FILE.read_text())
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    main()
