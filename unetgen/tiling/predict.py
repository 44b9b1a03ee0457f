"""predict: a network over an image of any size, with the memory of a few tiles."""

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
from unetgen.tiling.argument_checks import check_image, check_keep, prepare_output, resolve_tile, validate_batch
from unetgen.tiling.mirror_padding import ImageArray, read_mirrored
from unetgen.tiling.nonlocal_ops import find_nonlocal_modules
from unetgen.tiling.plan import AxisPlan, TileSpan, plan_axes
from unetgen.tiling.postprocessing import Keep, build_postprocessor
from unetgen.tiling.tile_disagreement import TileDisagreement

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

TilePosition = tuple[TileSpan, ...]


class InexactTiling(UnetgenWarning):
    """A network that looks at whole maps sees others in a tile than in the image."""


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
    """The network's first output for an image (channels, *size), as (out_channels, *size).

    The result is that of the image in one piece, mirrored at its borders as far as the network needs, for every network
    whose pixels see a bounded window; of others a warning says how far neighbouring tiles are apart. ``tile`` is what
    goes into the network at a time (the spec's input size unless said), ``batch`` how many tiles together; ``keep``
    makes ``probabilities`` of the outputs, or ``labels``, (1, *size). ``out`` is an array to write to, made by numpy
    unless given. ``progress`` hears how many tiles are done, of how many. With ``exact=False`` tiles may be too small
    to be free of their borders, with the same warning. The model runs where it is, in evaluation mode, and is left as
    it was. Raises SizeError where sizes do not fit the network, and ValueError or TypeError for what else is wrong.
    """
    check_image(model.graph, image)
    check_keep(keep)
    shape, far = tuple(image.shape[1:]), find_nonlocal_modules(model.graph)
    plans = plan_axes(model.graph, shape, resolve_tile(model, tile), exact=exact, overlap=bool(far))
    groups = _batch_tiles(plans, validate_batch(batch))
    out = prepare_output(model, keep, shape, out)
    why, seams, kept = _describe_inexactness(far, plans), TileDisagreement(), build_postprocessor(model.graph, keep)
    with _evaluation_mode(model):
        for number, group in enumerate(groups, 1):
            for place, result in zip(group, _run_tiles(model, image, plans, group, kept), strict=True):
                if why:
                    seams.update(out, result, place)
                _write_tile(out, result, place)
            if progress:
                progress(sum(map(len, groups[:number])), sum(map(len, groups)))
    if why:
        warnings.warn(f"{why}, so the result is not that of the whole image: {seams}", InexactTiling, stacklevel=2)
    return out


def _batch_tiles(plans: Sequence[AxisPlan], batch: int) -> list[list[TilePosition]]:
    """The tiles that go in together, in the order of their axes."""
    places = list(product(*(plan.spans for plan in plans)))
    return [places[first : first + batch] for first in range(0, len(places), batch)]


def _describe_inexactness(nonlocal_paths: Sequence[str], plans: Sequence[AxisPlan]) -> str:
    """Why tiles do not give what the whole image gives; nothing where they do, or where one tile is the image."""
    if nonlocal_paths and any(plan.tile < plan.full for plan in plans):
        return f"{nonlocal_paths[0]}{f' and {len(nonlocal_paths) - 1} more look' if len(nonlocal_paths) > 1 else ' looks'} at whole maps"
    if any(plan.has_seams for plan in plans):
        return f"pixels see beyond tiles of {' x '.join(str(plan.tile) for plan in plans)}"
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
    """What is kept of a few tiles, (batch, channels, *size)."""
    size = [plan.tile for plan in plans]
    tiles = [
        read_mirrored(image, [s.start - p.left_margin for s, p in zip(place, plans, strict=True)], size)
        for place in positions
    ]
    parameter = next(model.parameters())
    x = torch.from_numpy(np.stack(tiles)).to(parameter.device, parameter.dtype)
    with torch.inference_mode():
        result = model(x)
        while not isinstance(result, Tensor):
            result = next(iter(result.values())) if isinstance(result, dict) else result[0]
        answer = postprocess(result)
        # numpy has no bfloat16.
        return (answer.float() if answer.dtype == torch.bfloat16 else answer).cpu().numpy()


def _write_tile(out: Any, result: NDArray[Any], position: TilePosition) -> None:
    """Puts what a tile decides where it belongs. An output begins at its tile's start: the border is cut evenly."""
    there = tuple(slice(s.first, s.stop) for s in position)
    here = tuple(slice(s.first - s.start, s.stop - s.start) for s in position)
    out[(slice(None), *there)] = result[(slice(None), *here)]
