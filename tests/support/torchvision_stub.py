"""Make torchvision importable where its wheel does not match the CPU build of torch.

The wheel registers meta kernels for two operators that it does not declare; frameworks import it for things that the
tests do not use. As a script: ``torchvision_stub.py FILE`` or ``torchvision_stub.py -m MODULE`` runs that with the stub.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

_libraries: list[Any] = []


def declare_operators() -> None:
    """Declare torchvision's operators, once in a process, unless torchvision does so itself."""
    import torch

    if _libraries or "torchvision" in sys.modules:
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)


if __name__ == "__main__":
    declare_operators()
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = "."
        runpy.run_path(sys.argv[0], run_name="__main__")
