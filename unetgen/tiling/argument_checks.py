"""Validate the arguments of ``predict`` before the network runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import ImageError, Problem, SizeError, did_you_mean
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.tiling.mirror_padding import ImageArray
from unetgen.tiling.postprocessing import KEEP_VALUES, Keep, get_result_format

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

# The default tile size on each axis, in pixels; the smallest fitting size that is at least this large is used.
DEFAULT_TILE = 512


def check_image(graph: Graph, image: ImageArray) -> None:
    """Raise SizeError if an image's shape does not match the network, or the first output is not a map."""
    shape = tuple(image.shape)
    if len(shape) != graph.dims + 1 or shape[0] != graph.in_channels:
        axes = ", ".join([str(graph.in_channels), *(["size"] * graph.dims)])
        message = f"shape must be ({axes}), not {shape}"
        raise SizeError([Problem("shape", "image", message, _shape_hint(graph, shape))])
    if 0 in shape:
        message, hint = f"shape {shape} has no pixels", "pass an image with at least one pixel on each axis"
        raise SizeError([Problem("shape", "image", message, hint)])
    if graph.nodes[graph.output].op.has_no_spatial_axes:
        message, hint = "the first output has no spatial axes", "call the model on whole images"
        raise SizeError([Problem("shape", "head", message, hint)])


def check_finite(tiles: Sequence[NDArray[Any]]) -> None:
    """Raise ImageError if a tile has NaN or infinite values: the network would spread them without a word."""
    if num_invalid := sum(int(np.count_nonzero(~np.isfinite(tile))) for tile in tiles):
        raise ImageError(f"image: a tile has {num_invalid:,} NaN or infinite values; replace them")


def _shape_hint(graph: Graph, shape: Sequence[int]) -> str:
    if len(shape) != graph.dims + 1:
        return "add or move the channel axis"
    return "move the channel axis to the front" if shape[-1] == graph.in_channels else "check in_channels"


def validate_batch(batch: int) -> int:
    """Return the number of tiles per forward pass; raise ValueError if it is not a positive integer."""
    if not isinstance(batch, SupportsIndex) or index(batch) < 1:
        raise ValueError(f"batch: must be a positive integer, not {batch!r}; set the number of tiles per pass")
    return index(batch)


def check_keep(keep: str) -> None:
    """Raise ValueError if ``keep`` is unknown."""
    if keep not in KEEP_VALUES:
        hint = did_you_mean(str(keep), KEEP_VALUES) or "choose one of these"
        raise ValueError(f"keep: must be {', '.join(KEEP_VALUES[:-1])} or {KEEP_VALUES[-1]}, not {keep!r}; {hint}")


def resolve_tile(model: UNet, tile: int | Sequence[int] | None) -> Size:
    """Return the requested tile size for each axis.

    Args:
        model: The network.
        tile: One size for all axes, one per axis, or None for the spec's input size, or else a default that fits.

    Raises:
        SizeError: ``tile`` is not an integer, or has the wrong number of axes.
    """
    graph = model.graph
    if tile is None:
        return model.spec.input_size or smallest_fitting_size(graph, DEFAULT_TILE) or (DEFAULT_TILE,) * graph.dims
    try:
        size = tuple(map(index, tile if isinstance(tile, Iterable) else (tile,) * graph.dims))
    except TypeError:
        message, hint = f"must be an integer or one per axis, not {tile!r}", "set the tile size in pixels"
        raise SizeError([Problem("shape", "tile", message, hint)]) from None
    if len(size) != graph.dims:
        message, hint = f"{len(size)} sizes for a network of {graph.dims} dimensions", "set one size for all axes"
        raise SizeError([Problem("shape", "tile", message, hint)])
    return size


def prepare_output(model: UNet, keep: Keep, size: Size, out: Any) -> Any:
    """Return ``out`` if it can hold the result, or a new array without ``out``.

    Args:
        model: The network.
        keep: The kind of result, which sets the channels and the data type.
        size: The spatial size of the image.
        out: An array (channels, *size) of numpy, zarr or the like, or None.

    Raises:
        SizeError: ``out`` has the wrong shape.
        TypeError: ``out`` cannot hold the result's values.
    """
    channels, dtype = get_result_format(model, keep)
    shape = (channels, *size)
    if out is None:
        return np.empty(shape, dtype)
    if tuple(out.shape) != shape:
        message, hint = f"shape must be {shape}, not {tuple(out.shape)}", "pass an array of the result's shape"
        raise SizeError([Problem("shape", "out", message, hint)])
    if not _can_hold(out.dtype, model.graph.out_channels - 1 if keep == "labels" else None):
        raise TypeError(f"out: an array of {out.dtype} cannot hold {keep}; pass an array of {dtype}")
    return out


def _can_hold(dtype: Any, max_label: int | None) -> bool:
    """Return whether a data type can hold labels up to ``max_label``, or real numbers for ``None``."""
    try:
        numpy_dtype = np.dtype(dtype)
    except TypeError:  # not a data type of numpy
        return False
    if numpy_dtype.kind == "f":
        return True
    return numpy_dtype.kind in "iu" and max_label is not None and np.iinfo(numpy_dtype).max >= max_label
