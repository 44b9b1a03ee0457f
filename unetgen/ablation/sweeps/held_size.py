"""Choose the input size of each variant, so that a sweep compares equal inputs or equal output windows."""

from __future__ import annotations

from typing import Literal

from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import accepts_size, smallest_fitting_size

# What all variants have in common: the output window, the input size, or the input size as far as it fits.
HeldSize = Literal["output", "input", "nearest_input"]


def choose_input_size(graph: Graph, held: HeldSize, input_size: Size, window: Size | None) -> Size | None:
    """Return the input size of a variant.

    Args:
        graph: The variant's graph.
        held: What all variants have in common.
        input_size: The base's input size.
        window: The base's output size, or None if its output has another resolution than its input.

    Returns:
        The base's input size if it serves, else the smallest that covers the window or the nearest that fits;
        None if no size does.
    """
    fits = accepts_size(graph, input_size)
    if held == "input" or (held == "nearest_input" and fits):
        return input_size
    if held == "nearest_input":
        return _find_nearest_size(graph, input_size)
    if window is None or not keeps_resolution(graph):
        return input_size
    return input_size if fits and graph.output_size(input_size) == window else _find_covering_size(graph, window)


def keeps_resolution(graph: Graph) -> bool:
    """Return whether the output grows with the input pixel by pixel, as an output window requires."""
    if graph.nodes[graph.output].op.has_no_spatial_axes:
        return False
    return all(
        fit.is_complete and all(c.output_step == c.period for c in fit.classes if c.last is None) for fit in graph.fits
    )


def _find_nearest_size(graph: Graph, input_size: Size) -> Size | None:
    size = []
    for fit, wanted in zip(graph.fits, input_size, strict=True):
        nearest = [n for n in (fit.smallest_above(wanted - 1), fit.largest_below(wanted)) if n is not None]
        if not nearest:
            return None
        size.append(min(nearest, key=lambda n: abs(n - wanted)))
    return tuple(size) if accepts_size(graph, tuple(size)) else smallest_fitting_size(graph, max(size))


def _find_covering_size(graph: Graph, window: Size) -> Size | None:
    """Return the smallest input size whose output is at least as large as a window."""
    size = []
    for fit, length in zip(graph.fits, window, strict=True):
        covering = fit.smallest_above(0)
        while covering is not None and fit.output_size(covering) < length:
            covering = fit.smallest_above(covering)
        if covering is None:
            return None
        size.append(covering)
    return tuple(size) if accepts_size(graph, tuple(size)) else smallest_fitting_size(graph, max(size))
