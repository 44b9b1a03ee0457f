"""Plan: where tiles lie along one axis, and which outputs each of them decides.

Fig. 2 of Ronneberger et al. 2015, for any network: the image is mirrored at its borders as far as the network needs,
tiles start at multiples of the network's period, so that every pooling sees the pixels that it would see in one piece,
and of each tile those outputs count that see nothing beyond its inner borders.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from unetgen.config.spec import AXIS_NAMES
from unetgen.errors import Problem, SizeError
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.receptive_field import input_window
from unetgen.graph.size import checked_sizes

# So many sizes are tried to say which tile would be large enough.
TRIED = 200


@dataclass(frozen=True, slots=True)
class Stretch:
    """One tile along one axis: where it starts in the mirrored image, and which pixels of the image it decides."""

    start: int
    seen: int
    """The first pixel whose output sees nothing before the tile, or nothing but the image's own border."""
    first: int
    last: int
    """The pixel after the last."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The tiles along one axis of an image."""

    length: int
    tile: int
    whole: int
    """The mirrored image, if it went through the network in one piece."""
    lead: int
    """How many mirrored pixels stand before the image."""
    stretches: tuple[Stretch, ...]
    seams: bool = False
    """Whether tiles decide pixels that see their borders."""


def planned(graph: Graph, image: Size, tile: Size, *, exact: bool = True, overlap: bool = False) -> tuple[Plan, ...]:
    """The plan for each axis. Raises SizeError where a tile does not fit the network, or is too small to be joined.

    Unless it is to be ``exact``, tiles that are too small are joined in their middle halves. With ``overlap`` each
    decides a period that its neighbour could decide as well, where there is one to spare.
    """
    try:
        sizes = checked_sizes(graph, tile)
    except SizeError as error:
        raise SizeError([replace(problem, path="tile") for problem in error.problems]) from None
    return tuple(_planned(graph, axis, length, sizes, exact, overlap) for axis, length in enumerate(image))


def _planned(graph: Graph, axis: int, length: int, sizes: tuple[Size, ...], exact: bool, overlap: bool) -> Plan:
    tile, output, period = sizes[0][axis], sizes[graph.output][axis], graph.fits[axis].period
    lost = tile - output
    more = max(-(-(length + lost - tile) // period), 0)
    whole = tile + more * period
    if graph.along(axis, whole)[graph.output] != whole - lost:
        what = f"outputs on axis {AXIS_NAMES[graph.dims][axis]} are not as large as inputs but for a border"
        raise SizeError([Problem("tile", "tile", what, "predict without tiles")])
    before, inner = _clear(graph, axis, sizes) if more else (0, output)
    seams = bool(more) and inner - before < period and not exact
    if seams:
        before, inner = output // 4, output - output // 4
    if more and inner - before < period:
        name, least = AXIS_NAMES[graph.dims][axis], _least(graph, axis, sizes[0])
        what = f"tiles of {tile} on axis {name} cannot be joined: too few of their pixels see no border"
        hint = f"take at least {least}" if least else "predict without tiles"
        seams_hint = "accept seams" if exact else "larger ones with seams"
        raise SizeError([Problem("tile", "tile", what, f"{hint}, or {seams_hint}")])
    common = period if (overlap or seams) and inner - before >= 2 * period else 0
    stretches = _stretches(length, tile, whole, (before, inner), (period, common))
    return Plan(length, tile, whole, lost // 2, tuple(stretches), seams)


def _stretches(length: int, tile: int, whole: int, clear: tuple[int, int], steps: tuple[int, int]) -> Iterator[Stretch]:
    """Tiles from the first pixel to the last; each starts as late as it can, at a multiple of the period.

    ``clear`` is the stretch of its outputs that a tile may decide, ``steps`` the period and what neighbours share.
    """
    before, inner = clear
    period, common = steps
    start = first = 0
    while start + tile < whole and start + inner < length:
        last = start + inner
        yield Stretch(start, start + before if start else 0, first, last)
        start, first = min((last - before - common) // period * period, whole - tile), last
    yield Stretch(start, start + before if start else 0, first, length)


def _clear(graph: Graph, axis: int, sizes: tuple[Size, ...]) -> tuple[int, int]:
    """The first output of a tile that sees nothing before the tile, and the first after it that sees something behind.

    Both ends of what a pixel sees move on with the pixel, so each is found by halving.
    """
    tile, outputs = sizes[0][axis], range(sizes[graph.output][axis])
    before = bisect_left(outputs, 0, key=lambda pixel: input_window(graph, axis, (pixel, pixel), sizes)[0])
    behind = bisect_right(outputs, tile - 1, key=lambda pixel: input_window(graph, axis, (pixel, pixel), sizes)[1])
    return before, behind


def _least(graph: Graph, axis: int, tile: Size) -> int | None:
    """The smallest tile along one axis that can be joined with the next, if any that is tried can."""
    size: int | None = tile[axis]
    for _ in range(TRIED):
        size = graph.fits[axis].above(size) if size else None
        if size is None:
            return None
        before, inner = _clear(graph, axis, graph.sizes((*tile[:axis], size, *tile[axis + 1 :])))
        if inner - before >= graph.fits[axis].period:
            return size
    return None
