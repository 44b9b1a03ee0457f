"""Compute the input size of the untiled image and of a tile along each axis.

The untiled input is the image plus the border that the network trims, extended at its end by mirroring to the next
size that fits. Tiles belong to the same residue class of sizes: only then are the odd pixels that poolings drop and
fusions crop the same as in the untiled image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

from unetgen.config.spec import AXIS_NAMES
from unetgen.errors import Problem, SizeError
from unetgen.graph.fitting_sizes import FittingSizes
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import find_norm_on_single_value


@dataclass(frozen=True, slots=True)
class TileExtent:
    """Input sizes in pixels along one axis."""

    full: int
    """The input size of the untiled image."""
    tile: int
    """The input size of a tile: ``full``, or less by a multiple of the period."""
    trimmed: int
    """The input size minus the output size."""
    period: int
    """The network's period: shifting the input by it shifts the output by it."""


def compute_extents(graph: Graph, image: Size, requested: Size) -> tuple[TileExtent, ...]:
    """Compute the extent along each axis.

    Args:
        graph: The network's graph.
        image: The spatial size of the image.
        requested: The requested tile size, which fits the network.

    Raises:
        SizeError: The network cannot be run in tiles, or the image is larger than any size that fits.
    """
    unbound = _without_fixed_size(graph)
    for axis, fitting in enumerate(unbound.fits):
        _check_tileable(unbound, axis, fitting)
    # If a norm would see a single pixel, mirror the image further: at most up to the requested size.
    for margin in count():
        extents = tuple(
            _compute_extent(graph, axis, length + margin, requested[axis], unbound.fits[axis])
            for axis, length in enumerate(image)
        )
        if not find_norm_on_single_value(graph, graph.sizes(tuple(extent.tile for extent in extents))):
            break
    return extents


def _without_fixed_size(graph: Graph) -> Graph:
    """Return the graph without a fixed input size, since its period shows only if several sizes fit."""
    return replace(graph, has_fixed_size=False) if graph.has_fixed_size else graph


def _check_tileable(graph: Graph, axis: int, fit: FittingSizes) -> None:
    """Raise SizeError if the period is unknown, or if outputs do not correspond to pixels of the image."""
    name = AXIS_NAMES[graph.dims][axis]
    if not fit.classes:
        message = f"too many sizes fit on axis {name} to list them, so the positions of tiles are unknown"
    elif any(residue.last is None and residue.output_step != residue.period for residue in fit.classes):
        message = f"input and output on axis {name} differ in size by more than a border"
    else:
        return
    raise SizeError([Problem("tile", "tile", message, "call the model on whole images")])


def _compute_extent(graph: Graph, axis: int, length: int, requested: int, fitting: FittingSizes) -> TileExtent:
    full, period = _smallest_covering(graph, axis, length), fitting.period
    if full is None:
        return _compute_oversize_extent(graph, axis, length, requested, fitting)
    trimmed = full - (graph.output_along(axis, full) or 0)
    # The first size of the class that is at least as large as requested; small sizes may fit in other classes only.
    candidates = range(min(requested + (full - requested) % period, full), full, period)
    tile = next((size for size in candidates if graph.output_along(axis, size) == size - trimmed), full)
    return TileExtent(full, tile, trimmed, period)


def _compute_oversize_extent(graph: Graph, axis: int, length: int, requested: int, fitting: FittingSizes) -> TileExtent:
    """Compute the extent of an image that is larger than any size that the graph accepts, and needs tiles."""
    if all(residue.last is not None for residue in fitting.classes):
        message = f"images of {length} on axis {AXIS_NAMES[graph.dims][axis]} are larger than any size that fits"
        raise SizeError([Problem("tile", "tile", message, f"crop or shrink them to {requested}")])
    trimmed, period = requested - (graph.output_along(axis, requested) or 0), fitting.period
    num_periods = -(-(length + trimmed - requested) // period)
    return TileExtent(requested + num_periods * period, requested, trimmed, period)


def _smallest_covering(graph: Graph, axis: int, length: int) -> int | None:
    """Return the smallest fitting size that is at least as large as an image, and whose output is too."""
    fitting = graph.fits[axis]
    size = fitting.smallest_above(length - 1)
    while size is not None and (graph.output_along(axis, size) or 0) < length:
        size = fitting.smallest_above(size)
    if fitting.is_complete or size is None:
        return size
    # Smaller sizes that fit may be missing from the list.
    return next(n for n in range(length, size + 1) if (graph.output_along(axis, n) or 0) >= length)
