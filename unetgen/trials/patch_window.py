"""Windows: what a network is shown to answer for a patch of an image, and how its answer is cut to that patch.

A network that shrinks its maps sees more than it answers for: the image is mirrored where it ends, as in Fig. 2 of
Ronneberger et al. 2015. So every network answers for the same pixels, whatever it needs to see for that.
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

# What a network answers for at a time when it is scored, in pixels, where an image has more.
_MAX_PIXELS_PER_PASS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PatchWindow:
    """``size`` goes in, ``patch`` is answered for, ``lead`` pixels before it on each axis."""

    patch: Size
    input_size: Size
    output_size: Size
    margin: Size

    @classmethod
    def of(cls, graph: Graph, patch: Size) -> PatchWindow:
        """The smallest on each axis that answers for a patch. Raises ImageError where the network has none."""
        size = tuple(_find_smallest_size(graph, axis, patch) for axis in range(graph.dims))
        lead = tuple((given - wanted) // 2 for given, wanted in zip(size, patch, strict=True))
        return cls(patch, size, graph.output_size(size), lead)

    def crop_input(self, image: NDArray[np.float32], position: Sequence[int]) -> NDArray[np.float32]:
        """(channels, *size) around the patch that begins at a place."""
        starts = [at - before for at, before in zip(position, self.margin, strict=True)]
        cut: NDArray[np.float32] = read_mirrored(image, starts, self.input_size)
        return cut

    def crop_mask(self, mask: NDArray[np.int64], position: Sequence[int]) -> NDArray[np.int64]:
        """The classes of the patch that begins at a place, (*patch)."""
        return np.asarray(read_mirrored(mask[None], list(position), self.patch)[0])

    def crop_output(self, output: Tensor) -> Tensor:
        """The part of an output (batch, channels, *output) that is the patch's."""
        for axis, (size, made, wanted, lead) in enumerate(
            zip(self.input_size, self.output_size, self.patch, self.margin, strict=True)
        ):
            output = output.narrow(axis + 2, lead - (size - made) // 2, wanted)
        return output


def _find_smallest_size(graph: Graph, axis: int, patch: Size) -> int:
    least = patch[axis]
    while (size := smallest_fitting_size(graph, least)) is not None:
        given, made = size[axis], graph.output_size(size)[axis]
        if made > given:
            raise ImageError("the network's output is larger than its image; this trial needs one pixel for each")
        if made >= patch[axis]:
            return given
        least = given + 1
    told = " x ".join(map(str, patch))
    raise ImageError(f"no size that fits the network answers for {told} pixels; choose a smaller patch")


def choose_scoring_patch(image_size: Size) -> Size:
    """The whole image, or a block of it of about as many pixels as are scored at once, as square as it allows."""
    sides, left = list(image_size), _MAX_PIXELS_PER_PASS
    # Short axes first: what they leave is for the others.
    for number, axis in enumerate(sorted(range(len(image_size)), key=image_size.__getitem__)):
        sides[axis] = min(image_size[axis], max(1, int(left ** (1 / (len(image_size) - number)))))
        left //= sides[axis]
    return tuple(sides)
