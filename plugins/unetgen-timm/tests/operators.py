"""Two operators that torchvision's CUDA wheel wants and a CPU torch does not have; nobody runs them."""

from __future__ import annotations

import torch

# torch forgets a library's operators when the library is collected.
_KEPT: list[torch.library.Library] = []


def declare() -> None:
    """Makes that torchvision importable beside a torch without CUDA."""
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    library = torch.library.Library("torchvision", "DEF")
    library.define(f"nms{boxes}")
    library.define(f"qnms{boxes}")
    _KEPT.append(library)
