"""Run a network over an image of any size, with the memory of a few tiles."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetgen.errors import UnetgenWarning
from unetgen.tiling.argument_checks import check_finite, check_image, check_keep, prepare_output, validate_batch
from unetgen.tiling.mirror_padding import ImageArray, read_mirrored
from unetgen.tiling.plan import AxisPlan, TileSpan
from unetgen.tiling.postprocessing import Keep, build_postprocessor
from unetgen.tiling.tile_choice import plan_tiles
from unetgen.tiling.tile_disagreement import TileDisagreement
from unetgen.tiling.untileable_modules import find_untileable_modules

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

TilePosition = tuple[TileSpan, ...]


class InexactTiling(UnetgenWarning):
    """The result of tiling differs from that of the untiled image.

    The network depends on whole feature maps, or its tiles are too small for its receptive field.
    """


def predict(
    model: UNet,
    image: ImageArray,
    *,
    tile: int | Sequence[int] | None = None,
    batch: int = 1,
    keep: Keep = "outputs",
    exact: bool = True,
    out: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Predict an image of any size, tile by tile.

    The result equals that of the untiled image, mirrored at its borders as far as the network needs, if each output has
    a bounded receptive field. Otherwise a warning reports by how much neighbouring tiles differ. The model runs on its
    device in evaluation mode; its training mode is restored.

    Args:
        model: The network.
        image: The image, (channels, *size): an array of numpy or zarr, or any other that regions can be read from.
        tile: The input size of a tile, one number for all axes or one per axis (default: the spec's input size, or a
            larger one if that is too small for an exact result).
        batch: The number of tiles per forward pass.
        keep: ``outputs`` as they are, ``probabilities`` by softmax (sigmoid for one channel), or ``labels``.
        exact: Reject tiles that are too small for an exact result, instead of a warning.
        out: An array to write the result to (default: a new array of numpy).
        progress: Called after each batch with the number of finished tiles and the number of all tiles.

    Returns:
        The network's first output, (out_channels, *size), or labels, (1, *size).

    Raises:
        ImageError: The image has NaN or infinite values.
        SizeError: The image, the tile or ``out`` has a size that does not fit the network.
        ValueError: ``batch`` or ``keep`` is invalid.
        TypeError: ``out`` cannot hold the result.

    Warns:
        InexactTiling: The result differs from that of the untiled image.

    Examples:
        >>> import numpy as np, unetgen
        >>> model = unetgen.build("unet_milesial", widths=[2, 4], seed=0, input_size=None)
        >>> predict(model, np.zeros((3, 50, 70), "float32"), tile=32, keep="labels").shape
        (1, 50, 70)
    """
    check_image(model.graph, image)
    check_keep(keep)
    size, untileable_paths = tuple(image.shape[1:]), find_untileable_modules(model.graph)
    plans = plan_tiles(model, size, tile, exact=exact)
    batches = _batch_tiles(plans, validate_batch(batch))
    out = prepare_output(model, keep, size, out)
    reason, disagreement = _describe_inexactness(untileable_paths, plans), TileDisagreement()
    postprocess = build_postprocessor(model.graph, keep)
    with _evaluation_mode(model):
        for number, positions in enumerate(batches, 1):
            results = _run_tiles(model, image, plans, positions, postprocess)
            for position, result in zip(positions, results, strict=True):
                if reason:
                    disagreement.update(out, result, position)
                _write_tile(out, result, position)
            if progress:
                progress(sum(map(len, batches[:number])), sum(map(len, batches)))
    if reason:
        message = f"{reason}, so the result differs from that of the untiled image: {disagreement}"
        warnings.warn(message, InexactTiling, stacklevel=2)
    return out


def _batch_tiles(plans: Sequence[AxisPlan], batch: int) -> list[list[TilePosition]]:
    """Group the tiles into batches, in the order of their axes."""
    positions = list(product(*(plan.spans for plan in plans)))
    return [positions[first : first + batch] for first in range(0, len(positions), batch)]


def _describe_inexactness(untileable_paths: Sequence[str], plans: Sequence[AxisPlan]) -> str:
    """Return why the tiled result differs from the untiled one; empty if it is exact or there is one tile only."""
    if untileable_paths and any(plan.tile < plan.full for plan in plans):
        first, num_others = untileable_paths[0], len(untileable_paths) - 1
        modules = f"{first} and {num_others} more depend" if num_others else f"{first} depends"
        return f"{modules} on whole feature maps"
    if any(plan.has_seams for plan in plans):
        return f"the receptive field exceeds tiles of {' x '.join(str(plan.tile) for plan in plans)}"
    return ""


@contextmanager
def _evaluation_mode(model: UNet) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _run_tiles(
    model: UNet,
    image: ImageArray,
    plans: Sequence[AxisPlan],
    positions: Sequence[TilePosition],
    postprocess: Callable[[Tensor], Tensor],
) -> NDArray[Any]:
    """Run one batch of tiles and return the postprocessed first output, (batch, channels, *size)."""
    size = [plan.tile for plan in plans]
    tiles = [
        read_mirrored(image, [s.start - p.left_margin for s, p in zip(position, plans, strict=True)], size)
        for position in positions
    ]
    check_finite(tiles)
    parameter = next(model.parameters())
    x = torch.from_numpy(np.stack(tiles)).to(parameter.device, parameter.dtype)
    with torch.inference_mode():
        output = model(x)
        while not isinstance(output, Tensor):
            output = next(iter(output.values())) if isinstance(output, dict) else output[0]
        result = postprocess(output)
        # numpy has no bfloat16.
        return (result.float() if result.dtype == torch.bfloat16 else result).cpu().numpy()


def _write_tile(out: Any, result: NDArray[Any], position: TilePosition) -> None:
    """Write the pixels that a tile provides; output pixel 0 is at the tile's start, as the border is symmetric."""
    target = tuple(slice(s.first, s.stop) for s in position)
    source = tuple(slice(s.first - s.start, s.stop - s.start) for s in position)
    out[(slice(None), *target)] = result[(slice(None), *source)]
