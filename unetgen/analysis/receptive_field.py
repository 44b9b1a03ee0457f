"""Compute receptive fields: the image pixels on which an output pixel depends.

Intervals are propagated backwards from the output. After an upsampling the extent depends on the output pixel's phase,
so the field has a smallest and a largest extent: 188 and 204 pixels for the padded classic U-Net. The recurrence of
the textbooks gives 200, which no pixel has. Instance and group norms and global ops, which depend on all pixels, are
ignored; reports list global ops next to the field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from unetgen.graph.graph import Graph
from unetgen.graph.ops import ResizeTo
from unetgen.graph.ops.base import Interval, Size
from unetgen.graph.ops.resampling import Interpolation

# If pixels have no period, each is computed by itself, up to this number; a signal of an hour has too many.
MAX_POSITIONS = 4096


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The smallest and largest extent along one axis over all phases of an output pixel, in pixels."""

    smallest: int
    largest: int

    def __str__(self) -> str:
        return str(self.largest) if self.smallest == self.largest else f"{self.smallest} to {self.largest}"


def input_window(graph: Graph, axis: int, outputs: Interval, sizes: Sequence[Size]) -> Interval:
    """Return the image pixels on which an interval of output pixels depends.

    Args:
        graph: The graph.
        axis: The spatial axis, from 0.
        outputs: The first and the last output pixel.
        sizes: The size of every node's output.

    Returns:
        The first and the last image pixel. They are not clipped: with padding they may be outside the image.
    """
    return _propagate(_backward_steps(graph, axis, sizes), graph.output, outputs) or (0, sizes[0][axis] - 1)


def receptive_field(graph: Graph, axis: int, sizes: Sequence[Size]) -> ReceptiveField:
    """Return the receptive field along one axis.

    Args:
        graph: The graph.
        axis: The spatial axis, from 0.
        sizes: The size of every node's output.

    Returns:
        The field; of an output without period, over its middle ``MAX_POSITIONS`` pixels.
    """
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
    """Return the receptive field along each axis. Isotropic graphs are computed once."""
    if graph.is_isotropic and len(set(sizes[0])) == 1:
        return (receptive_field(graph, 0, sizes),) * graph.dims
    return tuple(receptive_field(graph, axis, sizes) for axis in range(graph.dims))


class _Step(NamedTuple):
    """One node of the backward propagation, with the function from output to input intervals."""

    node: int
    input_interval: Callable[[int, Interval, tuple[int, int]], Interval]
    axis: int
    sizes: tuple[int, int]
    first_input: int
    other_inputs: tuple[int, ...]


def _backward_steps(graph: Graph, axis: int, sizes: Sequence[Size]) -> list[_Step]:
    """Return the steps from the output back to the image, which are the same for every pixel."""
    steps = []
    for node in reversed(graph.nodes[1:]):
        if not node.op.is_global:
            first, *others = node.inputs
            lengths = (sizes[first][axis], sizes[node.index][axis])
            # Of the second input of a size-matching op only the size matters.
            other_inputs = () if node.op.kind in ("crop", "pad", "resize") else tuple(others)
            steps.append(_Step(node.index, node.op.input_interval, axis, lengths, first, other_inputs))
    return steps


def _propagate(steps: Sequence[_Step], output: int, outputs: Interval) -> Interval | None:
    """Return the image interval of an output interval; None if it depends on the image only through global ops."""
    intervals = {output: outputs}
    for node, input_interval, axis, sizes, first, others in steps:
        interval = intervals.get(node)
        if interval is None:
            continue
        _widen(intervals, first, input_interval(axis, interval, sizes))
        for source in others:
            _widen(intervals, source, interval)
    return intervals.get(0)


def _widen(intervals: dict[int, Interval], source: int, interval: Interval) -> None:
    """Extend the interval of a node by another."""
    known = intervals.get(source)
    if known is None:
        intervals[source] = interval
    elif interval[0] < known[0] or interval[1] > known[1]:
        intervals[source] = (min(known[0], interval[0]), max(known[1], interval[1]))


def _depends_on_position(graph: Graph) -> bool:
    """Return whether a resampling op does not repeat with the network's period."""
    return any(
        isinstance(node.op, ResizeTo) or (isinstance(node.op, Interpolation) and node.op.align_corners)
        for node in graph.nodes
    )
