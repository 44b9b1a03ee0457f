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


@dataclass(frozen=True, slots=True)
class Window:
    """``size`` goes in, ``patch`` is answered for, ``lead`` pixels before it on each axis."""

    patch: Size
    size: Size
    output: Size
    lead: Size

    @classmethod
    def of(cls, graph: Graph, patch: Size) -> Window:
        """The smallest that answers for a patch. Raises ImageError where the network has none."""
        least = max(patch)
        while (size := smallest_fitting(graph, least)) is not None:
            output = graph.output_size(size)
            if any(made > given for made, given in zip(output, size, strict=True)):
                raise ImageError("the network's output is larger than its image; this trial needs one pixel for each")
            if all(made >= wanted for made, wanted in zip(output, patch, strict=True)):
                lead = tuple((given - wanted) // 2 for given, wanted in zip(size, patch, strict=True))
                return cls(patch, size, output, lead)
            least = max(size) + 1
        told = " x ".join(map(str, patch))
        raise ImageError(f"no size that fits the network answers for {told} pixels; choose a smaller patch")

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
