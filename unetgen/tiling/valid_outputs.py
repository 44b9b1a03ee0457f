"""Find which outputs of a tile are exact: those whose receptive field is inside the tile."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from unetgen.analysis.receptive_field import input_window
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.tiling.extent import TileExtent


def find_valid_outputs(graph: Graph, axis: int, sizes: tuple[Size, ...]) -> tuple[int, int]:
    """Return the range (start, stop) of a tile's outputs whose receptive field is inside the tile.

    Both ends of the receptive field grow with the position of the output, so each is found by bisection.
    """
    tile, outputs = sizes[0][axis], range(sizes[graph.output][axis])
    start = bisect_left(outputs, 0, key=lambda pixel: input_window(graph, axis, (pixel, pixel), sizes)[0])
    stop = bisect_right(outputs, tile - 1, key=lambda pixel: input_window(graph, axis, (pixel, pixel), sizes)[1])
    return start, stop


def find_smallest_exact_tile(
    graph: Graph, axis: int, tile: Size, extent: TileExtent, min_valid_share: float = 0.0
) -> int:
    """Return the smallest tile along one axis that has enough valid outputs, or the untiled size.

    Args:
        graph: The network's graph.
        axis: The axis.
        tile: The tile on all axes; its size on ``axis`` is the smallest to try.
        extent: The extent of that tile along the axis.
        min_valid_share: The smallest share of a tile's pixels that are valid outputs, besides one period of them.
    """

    def has_enough(size: int) -> bool:
        if size == extent.full:
            return True
        start, stop = find_valid_outputs(graph, axis, graph.sizes((*tile[:axis], size, *tile[axis + 1 :])))
        return stop - start >= max(extent.period, min_valid_share * size)

    # All sizes above one with enough have enough, so the first is found by bisection, from False (0) to True (1).
    sizes = range(extent.tile, extent.full + 1, extent.period)
    return sizes[bisect_left(sizes, 1, key=has_enough)]
