"""Runs a script, or ``-m module``, where torchvision's wheel and a CPU's torch do not match.

The wheel declares nothing for two operators that it then wants to describe; declaring them first is all it needs to be
imported. Frameworks import it for things that are not used here.
"""

import runpy
import sys

import torch

_LIBRARY = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _LIBRARY.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = "."
        runpy.run_path(sys.argv[0], run_name="__main__")
