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
from unetgen.graph.size import smallest_fitting
from unetgen.tiling.mirror import mirrored

# What a network answers for at a time when it is scored, in pixels, where an image has more.
_AT_ONCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Window:
    """``size`` goes in, ``patch`` is answered for, ``lead`` pixels before it on each axis."""

    patch: Size
    size: Size
    output: Size
    lead: Size

    @classmethod
    def of(cls, graph: Graph, patch: Size) -> Window:
        """The smallest on each axis that answers for a patch. Raises ImageError where the network has none."""
        size = tuple(_smallest(graph, axis, patch) for axis in range(graph.dims))
        lead = tuple((given - wanted) // 2 for given, wanted in zip(size, patch, strict=True))
        return cls(patch, size, graph.output_size(size), lead)

    def cut(self, image: NDArray[np.float32], place: Sequence[int]) -> NDArray[np.float32]:
        """(channels, *size) around the patch that begins at a place."""
        starts = [at - before for at, before in zip(place, self.lead, strict=True)]
        cut: NDArray[np.float32] = mirrored(image, starts, self.size)
        return cut

    def truth(self, mask: NDArray[np.int64], place: Sequence[int]) -> NDArray[np.int64]:
        """The classes of the patch that begins at a place, (*patch)."""
        return np.asarray(mirrored(mask[None], list(place), self.patch)[0])

    def answer(self, output: Tensor) -> Tensor:
        """The part of an output (batch, channels, *output) that is the patch's."""
        for axis, (size, made, wanted, lead) in enumerate(
            zip(self.size, self.output, self.patch, self.lead, strict=True)
        ):
            output = output.narrow(axis + 2, lead - (size - made) // 2, wanted)
        return output


def _smallest(graph: Graph, axis: int, patch: Size) -> int:
    least = patch[axis]
    while (size := smallest_fitting(graph, least)) is not None:
        given, made = size[axis], graph.output_size(size)[axis]
        if made > given:
            raise ImageError("the network's output is larger than its image; this trial needs one pixel for each")
        if made >= patch[axis]:
            return given
        least = given + 1
    told = " x ".join(map(str, patch))
    raise ImageError(f"no size that fits the network answers for {told} pixels; choose a smaller patch")


def scored_at_once(image: Size) -> Size:
    """The whole image, or a block of it of about as many pixels as are scored at once, as square as it allows."""
    sides, left = list(image), _AT_ONCE
    # Short axes first: what they leave is for the others.
    for number, axis in enumerate(sorted(range(len(image)), key=image.__getitem__)):
        sides[axis] = min(image[axis], max(1, int(left ** (1 / (len(image) - number)))))
        left //= sides[axis]
    return tuple(sides)
