"""For processes that a test starts, and theirs: torchvision can be imported where its wheel and a CPU's torch do not match.

As beside_torchvision does for one script; this is found by every Python that has the folder on its path.
"""

import sys


class Declaring:
    """Declares two operators, when torchvision is looked for, that its wheel describes without declaring them."""

    libraries = []

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision" and not self.libraries:
            import torch

            library = torch.library.Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            self.libraries.append(library)


sys.meta_path.insert(0, Declaring())
