"""Declare two operators that torchvision's CUDA wheel needs and a CPU torch lacks; they are never run."""

from __future__ import annotations

import torch

# torch deletes a library's operators when the library is garbage-collected.
_LIBRARIES: list[torch.library.Library] = []


def declare_operators() -> None:
    """Make torchvision importable with a torch without CUDA."""
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    library = torch.library.Library("torchvision", "DEF")
    library.define(f"nms{boxes}")
    library.define(f"qnms{boxes}")
    _LIBRARIES.append(library)
