"""Make torchvision importable in the processes that a test starts, and in theirs.

Does what ``support.torchvision_stub`` does in one process; every Python with this folder on its path runs it.
"""

import sys


class TorchvisionStubFinder:
    """Declare the two operators that torchvision's wheel describes but does not declare, before it is imported."""

    libraries = []

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision" and not self.libraries:
            import torch

            library = torch.library.Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            self.libraries.append(library)


sys.meta_path.insert(0, TorchvisionStubFinder())
