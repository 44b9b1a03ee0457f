"""Which pixels of the image an output pixel depends on.

Intervals are walked backwards from the output. After an upsampling the answer depends on the output pixel's phase,
so the field has a smallest and a largest extent: 188 and 204 pixels for the padded classic U-Net. The recurrence of
the textbooks gives 200, which no pixel has. What looks at a whole map does not count: instance and group norms, and
global poolings, which reports name beside the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unetgen.graph.graph import Graph
from unetgen.graph.ops import ResizeTo
from unetgen.graph.ops.base import Interval, Size
from unetgen.graph.ops.resampling import Interpolation

# Where no period tells pixels apart each is asked by itself; a signal of an hour has too many.
MOST = 4096


@dataclass(frozen=True, slots=True)
class Field:
    """The extents along one axis, in pixels, over all phases of an output pixel."""

    smallest: int
    largest: int

    def __str__(self) -> str:
        return str(self.largest) if self.smallest == self.largest else f"{self.smallest} to {self.largest}"


def input_window(graph: Graph, axis: int, outputs: Interval, sizes: Sequence[Size]) -> Interval:
    """The interval of image pixels behind an interval of output pixels, both ends included.

    The image's border is not heeded: with padding the interval may reach beyond it.
    """
    needed: dict[int, Interval] = {graph.output: outputs}
    for node in reversed(graph.nodes[1:]):
        interval = needed.pop(node.index, None)
        if interval is None or node.op.everywhere:
            continue
        for position, source in enumerate(_read(node.inputs, node.op.kind)):
            lengths = (sizes[source][axis], sizes[node.index][axis])
            behind = node.op.reach(axis, interval, lengths) if position == 0 else interval
            low, high = needed.get(source, behind)
            needed[source] = (min(low, behind[0]), max(high, behind[1]))
    return needed.get(0, (0, sizes[0][axis] - 1))


def receptive_field(graph: Graph, axis: int, sizes: Sequence[Size]) -> Field:
    """The receptive field along one axis for the sizes given; of an output longer than ``MOST`` its middle's."""
    length = sizes[graph.output][axis]
    fit = graph.fits[axis]
    period = min(length, MOST) if _depends_on_position(graph) or not fit.complete else min(length, fit.period)
    start = (length - period) // 2
    windows = [input_window(graph, axis, (o, o), sizes) for o in range(start, start + period)]
    extents = [high - low + 1 for low, high in windows]
    return Field(min(extents), max(extents))


def _read(inputs: tuple[int, ...], kind: str) -> tuple[int, ...]:
    # The second input of a fitting op lends its size only.
    return inputs[:1] if kind in ("crop", "pad", "resize") else inputs


def _depends_on_position(graph: Graph) -> bool:
    """Whether some resampling does not repeat itself with the network's period."""
    return any(
        isinstance(node.op, ResizeTo) or (isinstance(node.op, Interpolation) and node.op.align_corners)
        for node in graph.nodes
    )
