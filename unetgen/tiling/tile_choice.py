"""Choose a tile that gives exact results, and compare the cost of tiles with that of the untiled image."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.tiling.argument_checks import resolve_tile
from unetgen.tiling.extent import compute_extents
from unetgen.tiling.plan import AxisPlan, plan_axes
from unetgen.tiling.untileable_modules import find_untileable_modules
from unetgen.tiling.valid_outputs import find_smallest_exact_tile

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

# The share of a chosen tile's pixels that are valid outputs: in three dimensions at most eight times the pixels of the
# untiled image are computed.
_MIN_VALID_SHARE = 0.5

# Tiles that compute more pixels than this many times those of the untiled image are worth a warning.
COST_LIMIT = 8.0


def plan_tiles(
    model: UNet, image: Size, tile: int | Sequence[int] | None = None, *, exact: bool = True
) -> tuple[AxisPlan, ...]:
    """Plan the tiles of an image along each axis.

    Args:
        model: The network.
        image: The spatial size of the image.
        tile: One size for all axes, one per axis, or None for the spec's input size or a larger one that is exact.
        exact: Reject tiles that are too small for an exact result.

    Raises:
        SizeError: The tile does not fit the network, or is too small.
    """
    requested = resolve_tile(model, tile)
    if tile is None and exact and not model.graph.has_fixed_size:
        requested = enlarge_tile(model.graph, image, requested)
    has_untileable = bool(find_untileable_modules(model.graph))
    return plan_axes(model.graph, image, requested, exact=exact, overlap=has_untileable)


def enlarge_tile(graph: Graph, image: Size, tile: Size) -> Size:
    """Return a tile if it gives exact results, else the smallest larger one half of whose outputs are valid."""
    extents = compute_extents(graph, image, tile)
    fitted = tuple(extent.tile for extent in extents)
    smallest = [find_smallest_exact_tile(graph, axis, fitted, extent) for axis, extent in enumerate(extents)]
    if smallest == list(fitted):
        return tile
    return _find_half_valid_tile(graph, image, tile)


def compute_relative_cost(plans: Sequence[AxisPlan]) -> float:
    """Return how many times as many pixels the tiles compute as the untiled image."""
    return prod(len(plan.spans) * plan.tile for plan in plans) / prod(plan.full for plan in plans)


def describe_high_cost(model: UNet, image: Size, plans: Sequence[AxisPlan]) -> str:
    """Return a sentence about tiles that compute the same pixels many times; empty for others."""
    cost = compute_relative_cost(plans)
    if cost < COST_LIMIT:
        return ""
    tile = tuple(plan.tile for plan in plans)
    larger = plan_tiles(model, image, _find_half_valid_tile(model.graph, image, tile))
    sizes = [" x ".join(str(plan.tile) for plan in axes) for axes in (plans, larger)]
    return (
        f"tiles of {sizes[0]} compute {cost:.3g} times as many pixels as the untiled image; "
        f"tiles of {sizes[1]} compute {compute_relative_cost(larger):.3g} times as many"
    )


def _find_half_valid_tile(graph: Graph, image: Size, tile: Size) -> Size:
    """Return the smallest tile, at least as large as another, half of whose pixels are valid outputs."""
    extents = compute_extents(graph, image, tile)
    fitted = tuple(extent.tile for extent in extents)
    return tuple(
        find_smallest_exact_tile(graph, axis, fitted, extent, _MIN_VALID_SHARE) for axis, extent in enumerate(extents)
    )
