"""Which pixels of the image an output pixel depends on.

Intervals are walked backwards from the output. After an upsampling the answer depends on the output pixel's phase,
so the field has a smallest and a largest extent: 188 and 204 pixels for the padded classic U-Net. The recurrence of
the textbooks gives 200, which no pixel has. What looks at a whole map does not count: instance and group norms, and
global poolings, which reports name beside the field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from unetgen.graph.graph import Graph
from unetgen.graph.ops import ResizeTo
from unetgen.graph.ops.base import Interval, Size
from unetgen.graph.ops.resampling import Interpolation

# Where no period tells pixels apart each is asked by itself; a signal of an hour has too many.
MAX_POSITIONS = 4096


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The extents along one axis, in pixels, over all phases of an output pixel."""

    smallest: int
    largest: int

    def __str__(self) -> str:
        return str(self.largest) if self.smallest == self.largest else f"{self.smallest} to {self.largest}"


def input_window(graph: Graph, axis: int, outputs: Interval, sizes: Sequence[Size]) -> Interval:
    """The interval of image pixels behind an interval of output pixels, both ends included.

    The image's border is not heeded: with padding the interval may reach beyond it.
    """
    return _propagate(_backward_steps(graph, axis, sizes), graph.output, outputs) or (0, sizes[0][axis] - 1)


def receptive_field(graph: Graph, axis: int, sizes: Sequence[Size]) -> ReceptiveField:
    """The receptive field along one axis for the sizes given; of an output longer than ``MOST`` its middle's."""
    length = sizes[graph.output][axis]
    fit = graph.fits[axis]
    period = (
        min(length, MAX_POSITIONS) if _depends_on_position(graph) or not fit.is_complete else min(length, fit.period)
    )
    start = (length - period) // 2
    steps, image = _backward_steps(graph, axis, sizes), (0, sizes[0][axis] - 1)
    windows = [_propagate(steps, graph.output, (o, o)) or image for o in range(start, start + period)]
    extents = [high - low + 1 for low, high in windows]
    return ReceptiveField(min(extents), max(extents))


def receptive_fields(graph: Graph, sizes: Sequence[Size]) -> tuple[ReceptiveField, ...]:
    """The receptive field along each axis; axes that nothing tells apart are walked once."""
    if graph.is_isotropic and len(set(sizes[0])) == 1:
        return (receptive_field(graph, 0, sizes),) * graph.dims
    return tuple(receptive_field(graph, axis, sizes) for axis in range(graph.dims))


class _Step(NamedTuple):
    """One node on the way back: its reach into the first map that it reads, and the other maps it reads."""

    node: int
    input_interval: Callable[[int, Interval, tuple[int, int]], Interval]
    axis: int
    sizes: tuple[int, int]
    first_input: int
    other_inputs: tuple[int, ...]


def _backward_steps(graph: Graph, axis: int, sizes: Sequence[Size]) -> list[_Step]:
    """The way from the output back to the image, the same for every pixel."""
    steps = []
    for node in reversed(graph.nodes[1:]):
        if not node.op.is_global:
            first, *others = node.inputs
            lengths = (sizes[first][axis], sizes[node.index][axis])
            # The second input of a fitting op lends its size only.
            read = () if node.op.kind in ("crop", "pad", "resize") else tuple(others)
            steps.append(_Step(node.index, node.op.input_interval, axis, lengths, first, read))
    return steps


def _propagate(steps: Sequence[_Step], output: int, outputs: Interval) -> Interval | None:
    """The interval of the image that is reached; None where only whole maps are looked at on the way."""
    needed = {output: outputs}
    for node, reach, axis, sizes, first, others in steps:
        interval = needed.get(node)
        if interval is None:
            continue
        _widen(needed, first, reach(axis, interval, sizes))
        for source in others:
            _widen(needed, source, interval)
    return needed.get(0)


def _widen(needed: dict[int, Interval], source: int, interval: Interval) -> None:
    """Makes what is needed of a map hold this interval too."""
    known = needed.get(source)
    if known is None:
        needed[source] = interval
    elif interval[0] < known[0] or interval[1] > known[1]:
        needed[source] = (min(known[0], interval[0]), max(known[1], interval[1]))


def _depends_on_position(graph: Graph) -> bool:
    """Whether some resampling does not repeat itself with the network's period."""
    return any(
        isinstance(node.op, ResizeTo) or (isinstance(node.op, Interpolation) and node.op.align_corners)
        for node in graph.nodes
    )
