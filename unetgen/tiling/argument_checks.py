"""What predict is given, looked at before the network runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from unetgen.errors import Problem, SizeError, did_you_mean
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.tiling.mirror_padding import ImageArray
from unetgen.tiling.postprocessing import KEEP_VALUES, Keep, get_result_format

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

# Where nobody says how large tiles are.
DEFAULT_TILE = 512


def check_image(graph: Graph, image: ImageArray) -> None:
    """Raises SizeError where an image is none for this network."""
    shape = tuple(image.shape)
    what = f"the image has shape {shape}"
    if len(shape) != graph.dims + 1 or shape[0] != graph.in_channels:
        axes = ", ".join([str(graph.in_channels), *(["size"] * graph.dims)])
        raise SizeError([Problem("shape", "image", f"{what}, this network takes ({axes})", _shape_hint(graph, shape))])
    if 0 in shape:
        raise SizeError(
            [Problem("shape", "image", f"{what}, so it has no pixels", "give one with pixels on each axis")]
        )
    if graph.nodes[graph.output].op.has_no_spatial_axes:
        raise SizeError([Problem("shape", "head", "the first output is no map", "call the model on whole images")])


def _shape_hint(graph: Graph, shape: Sequence[int]) -> str:
    if len(shape) != graph.dims + 1:
        return "add or move the channel axis"
    return "move the channel axis to the front" if shape[-1] == graph.in_channels else "check in_channels"


def validate_batch(batch: int) -> int:
    """How many tiles go in together. Raises ValueError where that is no tile."""
    if not isinstance(batch, SupportsIndex) or index(batch) < 1:
        raise ValueError(f"batch: {batch!r} is no number of tiles; take a whole one, 1 or more")
    return index(batch)


def check_keep(keep: str) -> None:
    """Raises ValueError where nobody knows what is to be kept."""
    if keep not in KEEP_VALUES:
        hint = did_you_mean(str(keep), KEEP_VALUES) or "take one of these"
        raise ValueError(f"keep: {keep!r} is none of {', '.join(KEEP_VALUES)}; {hint}")


def resolve_tile(model: UNet, tile: int | Sequence[int] | None) -> Size:
    """What is to go into the network at a time, a number for each axis. Raises SizeError where it says no such."""
    graph = model.graph
    if tile is None:
        return model.spec.input_size or smallest_fitting_size(graph, DEFAULT_TILE) or (DEFAULT_TILE,) * graph.dims
    try:
        size = tuple(map(index, tile if isinstance(tile, Iterable) else (tile,) * graph.dims))
    except TypeError:
        message, hint = f"{tile!r} is no whole number of pixels", "give one, or one for each axis"
        raise SizeError([Problem("shape", "tile", message, hint)]) from None
    if len(size) != graph.dims:
        message = f"the tile has {len(size)} numbers, the network has {graph.dims} axes"
        raise SizeError([Problem("shape", "tile", message, "give one number for all axes")])
    return size


def prepare_output(model: UNet, keep: Keep, size: Size, out: Any) -> Any:
    """``out`` if it can take the result for an image of a size; where there is none a new array.

    Raises SizeError where it has another shape, TypeError where its numbers are others.
    """
    channels, dtype = get_result_format(model, keep)
    shape = (channels, *size)
    if out is None:
        return np.empty(shape, dtype)
    if tuple(out.shape) != shape:
        message = f"the array has shape {tuple(out.shape)}, the result has {shape}"
        raise SizeError([Problem("shape", "out", message, "give one of that shape")])
    if not _can_hold(out.dtype, model.graph.out_channels - 1 if keep == "labels" else None):
        raise TypeError(f"out: an array of {out.dtype} does not hold {keep}; give one of {dtype}")
    return out


def _can_hold(dtype: Any, max_label: int | None) -> bool:
    """Whether an array of a type takes labels up to the largest, or where there is none any number."""
    try:
        kind = np.dtype(dtype)
    except TypeError:  # it is none of numpy's
        return False
    return kind.kind == "f" or (kind.kind in "iu" and max_label is not None and np.iinfo(kind).max >= max_label)
