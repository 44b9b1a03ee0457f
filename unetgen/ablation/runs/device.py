"""Device: which one a trial has, and whether there is such a one."""

from __future__ import annotations

from unetgen.errors import RunError

# A GPU where there is one.
AUTO = "auto"


def resolve_device(name: str, worker_index: int) -> str:
    """``auto`` is the GPU of a worker's number where there is one."""
    import torch

    if name != AUTO:
        return name
    return f"cuda:{worker_index % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"


def check_device(name: str, *, is_local: bool) -> None:
    """Raises RunError where torch knows no such device, or with ``here`` where this machine has none."""
    if name in (AUTO, "cpu"):
        return
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise RunError(f"torch knows no device {name!r}; write cpu, cuda or cuda:1, or leave it out") from None
    there = torch.cuda.device_count()
    if is_local and device.type == "cuda" and (device.index or 0) >= there:
        raise RunError(f"there is no device {name!r}, this machine has {there} GPUs; leave it out to have one chosen")
