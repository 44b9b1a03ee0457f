"""What a network itself gives for an image, found without unetgen.tiling."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import torch

from unetgen.graph.graph import NodeSizeError


def in_one_piece(model: Any, image: np.ndarray, border: int = 0) -> np.ndarray:
    """The first output for an image that is mirrored by half the border that the network takes away.

    Where that does not fit, it is mirrored further behind, to the next size that does. Where it does, and there is no
    border, this is the network's output for the image as it is.
    """
    before = border // 2
    behind = [_fitting(model.graph, axis, n + border) - n - before for axis, n in enumerate(image.shape[1:])]
    mirrored = np.pad(image, [(0, 0), *((before, more) for more in behind)], mode="reflect")
    with torch.inference_mode():
        output = model(torch.from_numpy(mirrored[None]))[0].numpy()
    return output[(slice(None), *(slice(0, n) for n in image.shape[1:]))]


def _fitting(graph: Any, axis: int, least: int) -> int:
    for size in count(least):
        try:
            graph.sizes_along(axis, size)
        except NodeSizeError:
            continue
        return size
    raise AssertionError
