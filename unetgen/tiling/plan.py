"""Plan the positions of tiles along each axis, and which output pixels come from each tile.

This is Fig. 2 of Ronneberger et al. (2015) for any network. The image is mirrored at its borders as far as the network
needs. Tiles start at multiples of the network's period, so that every pooling combines the same pixels as in the
untiled image. Of each tile, only outputs are used whose receptive field does not cross its inner borders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from unetgen.config.spec import AXIS_NAMES
from unetgen.errors import Problem, SizeError
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes
from unetgen.tiling.extent import TileExtent, compute_extents
from unetgen.tiling.valid_outputs import find_smallest_exact_tile, find_valid_outputs


@dataclass(frozen=True, slots=True)
class TileSpan:
    """One tile along one axis: its start in the mirrored image, and the pixels of the image that it provides."""

    start: int
    first_valid: int
    """The first pixel whose receptive field does not start before the tile, unless that is the image's border."""
    first: int
    """The first pixel that this tile provides."""
    stop: int
    """The pixel after the last that this tile provides."""


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """The tiles along one axis of an image."""

    length: int
    tile: int
    full: int
    """The length of the untiled input: the mirrored image."""
    left_margin: int
    """The number of mirrored pixels before the image."""
    spans: tuple[TileSpan, ...]
    has_seams: bool = False
    """Whether tiles provide pixels whose receptive field crosses a tile's border."""


def plan_axes(
    graph: Graph, image: Size, tile: Size, *, exact: bool = True, overlap: bool = False
) -> tuple[AxisPlan, ...]:
    """Plan the tiles along each axis.

    A tile larger than the image is reduced to the size that the image needs. Any other tile may grow by less than a
    period, into the image's residue class.

    Args:
        graph: The network's graph.
        image: The spatial size of the image.
        tile: The requested tile size.
        exact: Use only outputs that do not depend on a tile's inner borders. Otherwise, tiles that are too small
            provide the middle half of their outputs.
        overlap: Let neighbouring tiles share one period of valid outputs, if they have it to spare.

    Raises:
        SizeError: The tile does not fit the network, or is too small to be joined with its neighbours; has one
            problem for each axis.

    Examples:
        >>> from unetgen import graph_of
        >>> plan = plan_axes(graph_of("unet_paper"), (1000, 1000), (572, 572))[0]
        >>> [(span.start, span.first, span.stop) for span in plan.spans]
        [(0, 0, 388), (384, 388, 772), (624, 772, 1000)]
    """
    try:
        check_sizes(graph, tile)
    except SizeError as error:
        raise SizeError([replace(problem, path="tile") for problem in error.problems]) from None
    extents = compute_extents(graph, image, tile)
    sizes = graph.sizes(tuple(extent.tile for extent in extents))
    plans, problems = [], []
    for axis, (length, extent) in enumerate(zip(image, extents, strict=True)):
        valid = find_valid_outputs(graph, axis, sizes) if extent.tile < extent.full else (0, sizes[graph.output][axis])
        usable = _usable_outputs(valid, sizes[graph.output][axis], extent, exact)
        if usable is None:
            problems.append(_tile_size_problem(graph, axis, tile, extent, exact))
        else:
            plans.append(_plan_axis(length, extent, usable, has_seams=usable != valid, overlap=overlap))
    if problems:
        raise SizeError(problems)
    return tuple(plans)


def _usable_outputs(
    valid_outputs: tuple[int, int], output: int, extent: TileExtent, exact: bool
) -> tuple[int, int] | None:
    """Return the range of outputs that a tile may provide, or None if it is shorter than a period."""
    middle_half = output // 4, output - output // 4
    candidates = [valid_outputs] if exact else [valid_outputs, middle_half]
    is_untiled = extent.tile == extent.full
    return next((c for c in candidates if is_untiled or c[1] - c[0] >= extent.period), None)


def _plan_axis(
    length: int, extent: TileExtent, valid_outputs: tuple[int, int], *, has_seams: bool, overlap: bool
) -> AxisPlan:
    can_share = valid_outputs[1] - valid_outputs[0] >= 2 * extent.period
    shared = extent.period if (overlap or has_seams) and can_share else 0
    spans = tuple(_iter_spans(length, extent, valid_outputs, shared))
    # An output that is larger than the image (a negative trim) has its extra pixels at the end.
    return AxisPlan(length, extent.tile, extent.full, max(extent.trimmed, 0) // 2, spans, has_seams)


def _tile_size_problem(graph: Graph, axis: int, tile: Size, extent: TileExtent, exact: bool) -> Problem:
    """Build the problem of tiles that are too small to be joined."""
    name = AXIS_NAMES[graph.dims][axis]
    message = f"tiles of {tile[axis]} on axis {name} are too small: too few outputs are free of border effects"
    if graph.has_fixed_size:
        fixes = [f"crop or shrink the image to {tile[axis]}, the only size that fits", *(["accept seams"] * exact)]
    else:
        fixes = [
            f"use at least {find_smallest_exact_tile(graph, axis, tile, extent)}",
            "accept seams" if exact else "larger tiles with seams",
        ]
    return Problem("tile", "tile", message, ", or ".join(fixes))


def _iter_spans(length: int, extent: TileExtent, valid_outputs: tuple[int, int], shared: int) -> Iterator[TileSpan]:
    """Yield the tiles from the first pixel to the last, each as far right as possible at a multiple of the period.

    ``valid_outputs`` is the range of outputs that a tile may provide, ``shared`` the number that neighbours share.
    """
    valid_start, valid_stop = valid_outputs
    tile, full, period = extent.tile, extent.full, extent.period
    start = first = 0
    while start + tile < full and start + valid_stop < length:
        stop = start + valid_stop
        yield TileSpan(start, start + valid_start if start else 0, first, stop)
        start, first = min((stop - valid_start - shared) // period * period, full - tile), stop
    yield TileSpan(start, start + valid_start if start else 0, first, length)
