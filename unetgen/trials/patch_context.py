"""Compute the input window for a patch of an image, and crop the network's output to that patch.

A network of unpadded convolutions needs an input larger than its output, so the image is mirrored at its borders, as in
Fig. 2 of Ronneberger et al. (2015). Thus every network predicts the same pixels, whatever input it needs for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unetgen.errors import ImageError
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.tiling.mirror_padding import read_mirrored

# The maximum number of pixels that are predicted per forward pass when a network is scored.
_MAX_PIXELS_PER_PASS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PatchContext:
    """The input size for a patch, the output size, and the ``margin`` of input pixels before the patch on each axis."""

    patch: Size
    input_size: Size
    output_size: Size
    margin: Size

    @classmethod
    def of(cls, graph: Graph, patch: Size) -> PatchContext:
        """Return the smallest window whose output covers a patch.

        Args:
            graph: The network's graph.
            patch: The spatial size of the patch.

        Raises:
            ImageError: No input size gives an output that covers the patch.

        Examples:
            >>> import unetgen
            >>> PatchContext.of(unetgen.graph_of("unet_paper"), (388, 388)).input_size
            (572, 572)
        """
        input_size = tuple(_find_smallest_size(graph, axis, patch) for axis in range(graph.dims))
        margin = tuple((n - length) // 2 for n, length in zip(input_size, patch, strict=True))
        return cls(patch, input_size, graph.output_size(input_size), margin)

    def read_input(self, image: NDArray[np.float32], position: Sequence[int]) -> NDArray[np.float32]:
        """Return the input (channels, *input_size) for the patch that starts at a position."""
        starts = [first - margin for first, margin in zip(position, self.margin, strict=True)]
        window: NDArray[np.float32] = read_mirrored(image, starts, self.input_size)
        return window

    def read_mask(self, mask: NDArray[np.int64], position: Sequence[int]) -> NDArray[np.int64]:
        """Return the class indices, of shape (*patch), of the patch that starts at a position."""
        return np.asarray(read_mirrored(mask[None], list(position), self.patch)[0])

    def crop_output(self, output: Tensor) -> Tensor:
        """Crop an output (batch, channels, *output_size) to the patch."""
        for axis, (input_length, output_length, patch_length, margin) in enumerate(
            zip(self.input_size, self.output_size, self.patch, self.margin, strict=True)
        ):
            output = output.narrow(axis + 2, margin - (input_length - output_length) // 2, patch_length)
        return output


def _find_smallest_size(graph: Graph, axis: int, patch: Size) -> int:
    minimum = patch[axis]
    while (size := smallest_fitting_size(graph, minimum)) is not None:
        input_length, output_length = size[axis], graph.output_size(size)[axis]
        if output_length > input_length:
            raise ImageError("the network's output is larger than its input; choose a network without larger outputs")
        if output_length >= patch[axis]:
            return input_length
        minimum = input_length + 1
    pixels = " x ".join(map(str, patch))
    raise ImageError(f"no input size gives an output of at least {pixels} pixels; choose a smaller patch")


def choose_scoring_patch(image_size: Size) -> Size:
    """Return the image's size, or a smaller size with sides as equal as possible, within the limit per pass.

    Examples:
        >>> choose_scoring_patch((512, 700)), choose_scoring_patch((5000, 5000))
        ((512, 700), (1024, 1024))
    """
    sides, remaining = list(image_size), _MAX_PIXELS_PER_PASS
    # Short axes first, so that longer ones get the pixels that they leave.
    for index, axis in enumerate(sorted(range(len(image_size)), key=image_size.__getitem__)):
        sides[axis] = min(image_size[axis], max(1, int(remaining ** (1 / (len(image_size) - index)))))
        remaining //= sides[axis]
    return tuple(sides)
