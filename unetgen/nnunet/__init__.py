"""Convert plans of nnU-Net v2 to specs, and insert networks of specs into plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unetgen.nnunet.network import SpecUNet

__all__ = ["SpecUNet"]


def __getattr__(name: str) -> Any:
    # Plans files refer to ``unetgen.nnunet.SpecUNet``; the lazy import keeps reading plans free of torch.
    if name == "SpecUNet":
        from unetgen.nnunet.network import SpecUNet

        return SpecUNet
    raise AttributeError(f"module 'unetgen.nnunet' has no attribute {name!r}")
