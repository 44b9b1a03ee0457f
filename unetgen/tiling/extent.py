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
from unetgen.graph.fit import AxisFit
from unetgen.graph.graph import Graph, SizeMisfit
from unetgen.graph.ops.base import Size
from unetgen.graph.size import starved_norm


@dataclass(frozen=True, slots=True)
class Extent:
    """Pixels along one axis."""

    whole: int
    """What goes in in one piece."""
    tile: int
    """What goes in at a time: the whole, or less by a multiple of the period."""
    lost: int
    """How many pixels fewer come out."""
    period: int
    """How far apart pixels are that the network treats alike."""


def extents(graph: Graph, image: Size, asked: Size) -> tuple[Extent, ...]:
    """The extent along each axis, for tiles of a size that fits. Raises SizeError where there can be no tiles."""
    free = _free(graph)
    for axis, fit in enumerate(free.fits):
        _check(free, axis, fit)
    # A norm that would see a single pixel is given more of the mirror: at most up to the size that was asked for.
    for more in count():
        found = tuple(
            _extent(graph, axis, length + more, asked[axis], free.fits[axis]) for axis, length in enumerate(image)
        )
        if not starved_norm(graph, graph.sizes(tuple(extent.tile for extent in found))):
            break
    return found


def _free(graph: Graph) -> Graph:
    """The network as if it were bound to no size: what its tiles have in common shows where more sizes fit."""
    return replace(graph, bound=False) if graph.bound else graph


def _check(graph: Graph, axis: int, fit: AxisFit) -> None:
    """Raises SizeError where no tile could be put beside another, or where an output is no pixel of the image."""
    name = AXIS_NAMES[graph.dims][axis]
    if not fit.classes:
        what = f"the sizes that fit on axis {name} are too many to list, so nobody knows where tiles may start"
    elif any(found.last is None and found.output_step != found.period for found in fit.classes):
        what = f"outputs on axis {name} are not as large as inputs but for a border"
    else:
        return
    raise SizeError([Problem("tile", "tile", what, "call the model on whole images")])


def _extent(graph: Graph, axis: int, length: int, asked: int, free: AxisFit) -> Extent:
    whole, period = _covering(graph, axis, length), free.period
    if whole is None:
        return _larger_than_fits(graph, axis, length, asked, free)
    lost = whole - (_output(graph, axis, whole) or 0)
    # The first that is as large as was asked for; small ones may fit in other classes only.
    alike = range(min(asked + (whole - asked) % period, whole), whole, period)
    tile = next((size for size in alike if _output(graph, axis, size) == size - lost), whole)
    return Extent(whole, tile, lost, period)


def _larger_than_fits(graph: Graph, axis: int, length: int, asked: int, free: AxisFit) -> Extent:
    """The extent of an image for which no size that the network takes is large enough: it is run in tiles only."""
    if all(found.last is not None for found in free.classes):
        what = f"images of {length} on axis {AXIS_NAMES[graph.dims][axis]} are larger than any size that fits"
        raise SizeError([Problem("tile", "tile", what, f"cut or shrink them to {asked}")])
    lost, period = asked - (_output(graph, axis, asked) or 0), free.period
    return Extent(asked + -(-(length + lost - asked) // period) * period, asked, lost, period)


def _covering(graph: Graph, axis: int, length: int) -> int | None:
    """The smallest size that fits and holds an image, and whose output holds it too."""
    fit = graph.fits[axis]
    size = fit.above(length - 1)
    while size is not None and (_output(graph, axis, size) or 0) < length:
        size = fit.above(size)
    if fit.complete or size is None:
        return size
    # Some that fit are not listed.
    return next(n for n in range(length, size + 1) if (_output(graph, axis, n) or 0) >= length)


def _output(graph: Graph, axis: int, size: int) -> int | None:
    """The output of a size along one axis; None where it does not fit."""
    try:
        return graph.along(axis, size)[graph.output]
    except SizeMisfit:
        return None
