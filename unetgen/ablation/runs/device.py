"""Choose the device of a trial, and check that it exists."""

from __future__ import annotations

from unetgen.errors import RunError

# A GPU if one is available.
AUTO = "auto"


def resolve_device(name: str, worker_index: int) -> str:
    """Return the device; ``auto`` is the GPU with the worker's index, or the CPU."""
    import torch

    if name != AUTO:
        return name
    return f"cuda:{worker_index % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"


def check_device(name: str, *, is_local: bool) -> None:
    """Check a device's name and, if trials run on this machine, that it exists. Raise RunError."""
    if name in (AUTO, "cpu"):
        return
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise RunError(f"unknown device {name!r}; use cpu, cuda or cuda:1, or omit --device") from None
    num_gpus = torch.cuda.device_count()
    if is_local and device.type == "cuda" and (device.index or 0) >= num_gpus:
        available = f"{num_gpus} GPU{'s' * (num_gpus != 1)} available"
        raise RunError(f"device {name!r} not found ({available}); omit --device to choose one automatically")
