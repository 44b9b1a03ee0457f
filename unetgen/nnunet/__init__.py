"""nnU-Net v2, both ways: its plans as specs, and networks of specs in its plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unetgen.nnunet.network import SpecUNet

__all__ = ["SpecUNet"]


def __getattr__(name: str) -> Any:
    # Plans name the network as ``unetgen.nnunet.SpecUNet``; who only reads plans needs no torch.
    if name == "SpecUNet":
        from unetgen.nnunet.network import SpecUNet

        return SpecUNet
    raise AttributeError(f"module 'unetgen.nnunet' has no attribute {name!r}")
