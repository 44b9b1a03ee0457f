"""Extent: how much of a mirrored image goes into the network along one axis, in one piece and in a tile.

In one piece it is the image as it is where that fits the network, with the border around it that the network takes
away; else as few mirrored pixels are added behind as make it fit. Tiles are pieces of the same residue class: only
such have their odd pixels, which poolings drop and fusions crop, where the image in one piece has them.
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
    """Pixels along one axis."""

    full: int
    """What goes in in one piece."""
    tile: int
    """What goes in at a time: the whole, or less by a multiple of the period."""
    trimmed: int
    """How many pixels fewer come out."""
    period: int
    """How far apart pixels are that the network treats alike."""


def compute_extents(graph: Graph, image: Size, requested: Size) -> tuple[TileExtent, ...]:
    """The extent along each axis, for tiles of a size that fits. Raises SizeError where there can be no tiles."""
    free = _without_fixed_size(graph)
    for axis, fit in enumerate(free.fits):
        _check_tileable(free, axis, fit)
    # A norm that would see a single pixel is given more of the mirror: at most up to the size that was asked for.
    for more in count():
        found = tuple(
            _compute_extent(graph, axis, length + more, requested[axis], free.fits[axis])
            for axis, length in enumerate(image)
        )
        if not find_norm_on_single_value(graph, graph.sizes(tuple(extent.tile for extent in found))):
            break
    return found


def _without_fixed_size(graph: Graph) -> Graph:
    """The network as if it were bound to no size: what its tiles have in common shows where more sizes fit."""
    return replace(graph, has_fixed_size=False) if graph.has_fixed_size else graph


def _check_tileable(graph: Graph, axis: int, fit: FittingSizes) -> None:
    """Raises SizeError where no tile could be put beside another, or where an output is no pixel of the image."""
    name = AXIS_NAMES[graph.dims][axis]
    if not fit.classes:
        what = f"the sizes that fit on axis {name} are too many to list, so nobody knows where tiles may start"
    elif any(found.last is None and found.output_step != found.period for found in fit.classes):
        what = f"outputs on axis {name} are not as large as inputs but for a border"
    else:
        return
    raise SizeError([Problem("tile", "tile", what, "call the model on whole images")])


def _compute_extent(graph: Graph, axis: int, length: int, requested: int, fitting: FittingSizes) -> TileExtent:
    whole, period = _smallest_covering(graph, axis, length), fitting.period
    if whole is None:
        return _compute_oversize_extent(graph, axis, length, requested, fitting)
    lost = whole - (graph.output_along(axis, whole) or 0)
    # The first that is as large as was asked for; small ones may fit in other classes only.
    alike = range(min(requested + (whole - requested) % period, whole), whole, period)
    tile = next((size for size in alike if graph.output_along(axis, size) == size - lost), whole)
    return TileExtent(whole, tile, lost, period)


def _compute_oversize_extent(graph: Graph, axis: int, length: int, requested: int, fitting: FittingSizes) -> TileExtent:
    """The extent of an image for which no size that the network takes is large enough: it is run in tiles only."""
    if all(found.last is not None for found in fitting.classes):
        what = f"images of {length} on axis {AXIS_NAMES[graph.dims][axis]} are larger than any size that fits"
        raise SizeError([Problem("tile", "tile", what, f"cut or shrink them to {requested}")])
    lost, period = requested - (graph.output_along(axis, requested) or 0), fitting.period
    return TileExtent(requested + -(-(length + lost - requested) // period) * period, requested, lost, period)


def _smallest_covering(graph: Graph, axis: int, length: int) -> int | None:
    """The smallest size that fits and holds an image, and whose output holds it too."""
    fit = graph.fits[axis]
    size = fit.smallest_above(length - 1)
    while size is not None and (graph.output_along(axis, size) or 0) < length:
        size = fit.smallest_above(size)
    if fit.is_complete or size is None:
        return size
    # Some that fit are not listed.
    return next(n for n in range(length, size + 1) if (graph.output_along(axis, n) or 0) >= length)
