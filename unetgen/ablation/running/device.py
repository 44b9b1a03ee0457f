"""Device: which one a trial has, and whether there is such a one."""

from __future__ import annotations

from unetgen.errors import RunError

# A GPU where there is one.
AUTO = "auto"


def chosen(wanted: str, number: int) -> str:
    """``auto`` is the GPU of a worker's number where there is one."""
    import torch

    if wanted != AUTO:
        return wanted
    return f"cuda:{number % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"


def check_device(wanted: str, *, here: bool) -> None:
    """Raises RunError where torch knows no such device, or with ``here`` where this machine has none."""
    if wanted in (AUTO, "cpu"):
        return
    import torch

    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise RunError(f"torch knows no device {wanted!r}; write cpu, cuda or cuda:1, or leave it out") from None
    there = torch.cuda.device_count()
    if here and device.type == "cuda" and (device.index or 0) >= there:
        raise RunError(f"there is no device {wanted!r}, this machine has {there} GPUs; leave it out to have one chosen")
