"""Plan: where tiles lie along one axis, and which outputs each of them decides.

Fig. 2 of Ronneberger et al. 2015, for any network: the image is mirrored at its borders as far as the network needs,
tiles start at multiples of the network's period, so that every pooling sees the pixels that it would see in one piece,
and of each tile those outputs count that see nothing beyond its inner borders.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from unetgen.analysis.receptive_field import input_window
from unetgen.config.spec import AXIS_NAMES
from unetgen.errors import Problem, SizeError
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes
from unetgen.tiling.extent import TileExtent, compute_extents


@dataclass(frozen=True, slots=True)
class TileSpan:
    """One tile along one axis: where it starts in the mirrored image, and which pixels of the image it decides."""

    start: int
    first_valid: int
    """The first pixel whose output sees nothing before the tile, or nothing but the image's own border."""
    first: int
    stop: int
    """The pixel after the last."""


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """The tiles along one axis of an image."""

    length: int
    tile: int
    full: int
    """The mirrored image, if it went through the network in one piece."""
    left_margin: int
    """How many mirrored pixels stand before the image."""
    spans: tuple[TileSpan, ...]
    has_seams: bool = False
    """Whether tiles decide pixels that see their borders."""


def plan_axes(
    graph: Graph, image: Size, tile: Size, *, exact: bool = True, overlap: bool = False
) -> tuple[AxisPlan, ...]:
    """The plan for each axis. Raises SizeError where a tile does not fit the network, or is too small to be joined.

    A tile that is larger than the image needs is made as small; any other may grow by less than a period, into the
    image's residue class. Unless it is to be ``exact``, tiles that are too small are joined in their middle halves.
    With ``overlap`` each decides a period that its neighbour could decide as well, where there is one to spare.
    """
    try:
        check_sizes(graph, tile)
    except SizeError as error:
        raise SizeError([replace(problem, path="tile") for problem in error.problems]) from None
    found = compute_extents(graph, image, tile)
    sizes = graph.sizes(tuple(extent.tile for extent in found))
    plans = []
    for axis, (length, extent) in enumerate(zip(image, found, strict=True)):
        clear = _valid_outputs(graph, axis, sizes) if extent.tile < extent.full else (0, sizes[graph.output][axis])
        joined = _usable_outputs(clear, sizes[graph.output][axis], extent, exact)
        if joined is None:
            raise SizeError([_tile_size_problem(graph, axis, tile, extent, exact)])
        plans.append(_plan_axis(length, extent, joined, has_seams=joined != clear, overlap=overlap))
    return tuple(plans)


def _usable_outputs(
    valid_outputs: tuple[int, int], output: int, extent: TileExtent, exact: bool
) -> tuple[int, int] | None:
    """The stretch of its outputs that a tile may decide, if there is one that tiles can be joined in."""
    middle = output // 4, output - output // 4
    stretches = [valid_outputs] if exact else [valid_outputs, middle]
    alone = extent.tile == extent.full
    return next((s for s in stretches if alone or s[1] - s[0] >= extent.period), None)


def _plan_axis(
    length: int, extent: TileExtent, valid_outputs: tuple[int, int], *, has_seams: bool, overlap: bool
) -> AxisPlan:
    spare = valid_outputs[1] - valid_outputs[0] >= 2 * extent.period
    common = extent.period if (overlap or has_seams) and spare else 0
    stretches = _iter_spans(length, extent, valid_outputs, common)
    # What an output has more than the image stands behind it.
    return AxisPlan(length, extent.tile, extent.full, max(extent.trimmed, 0) // 2, tuple(stretches), has_seams)


def _tile_size_problem(graph: Graph, axis: int, tile: Size, extent: TileExtent, exact: bool) -> Problem:
    """Why tiles cannot be joined, and what can be done instead."""
    name = AXIS_NAMES[graph.dims][axis]
    what = f"tiles of {tile[axis]} on axis {name} cannot be joined: too few of their pixels see no border"
    if graph.has_fixed_size:
        ways = [f"cut or shrink the image to {tile[axis]}, the only size that fits", *(["accept seams"] * exact)]
    else:
        ways = [
            f"take at least {_smallest_joinable_tile(graph, axis, tile, extent)}",
            "accept seams" if exact else "larger ones with seams",
        ]
    return Problem("tile", "tile", what, ", or ".join(ways))


def _iter_spans(length: int, extent: TileExtent, valid_outputs: tuple[int, int], shared: int) -> Iterator[TileSpan]:
    """Tiles from the first pixel to the last; each starts as late as it can, at a multiple of the period.

    ``clear`` is the stretch of its outputs that a tile may decide, ``common`` what neighbours share of them.
    """
    before, inner = valid_outputs
    tile, whole, period = extent.tile, extent.full, extent.period
    start = first = 0
    while start + tile < whole and start + inner < length:
        last = start + inner
        yield TileSpan(start, start + before if start else 0, first, last)
        start, first = min((last - before - shared) // period * period, whole - tile), last
    yield TileSpan(start, start + before if start else 0, first, length)


def _valid_outputs(graph: Graph, axis: int, sizes: tuple[Size, ...]) -> tuple[int, int]:
    """The first output of a tile that sees nothing before the tile, and the first after it that sees something behind.

    Both ends of what a pixel sees move on with the pixel, so each is found by halving.
    """
    tile, outputs = sizes[0][axis], range(sizes[graph.output][axis])
    before = bisect_left(outputs, 0, key=lambda pixel: input_window(graph, axis, (pixel, pixel), sizes)[0])
    behind = bisect_right(outputs, tile - 1, key=lambda pixel: input_window(graph, axis, (pixel, pixel), sizes)[1])
    return before, behind


def _smallest_joinable_tile(graph: Graph, axis: int, tile: Size, extent: TileExtent) -> int:
    """The smallest tile along one axis that can be joined with the next: the image in one piece has no next."""

    def joins(size: int) -> bool:
        if size == extent.full:
            return True
        before, inner = _valid_outputs(graph, axis, graph.sizes((*tile[:axis], size, *tile[axis + 1 :])))
        return inner - before >= extent.period

    # If one joins, larger ones do: the first is found by halving, from False (0) to True (1).
    sizes = range(extent.tile, extent.full + 1, extent.period)
    return sizes[bisect_left(sizes, 1, key=joins)]
