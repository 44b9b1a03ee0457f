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

from unetgen.tiling.arguments import array_for, check_image, check_keep, checked_batch, tile_of
from unetgen.tiling.keeping import Keep, keeping
from unetgen.tiling.locality import beyond
from unetgen.tiling.mirror import Image, mirrored
from unetgen.tiling.plan import Plan, Stretch, planned
from unetgen.tiling.seams import Seams

if TYPE_CHECKING:
    from unetgen.network.from_graph import UNet

Place = tuple[Stretch, ...]


class InexactTiling(UserWarning):
    """A network that looks at whole maps sees others in a tile than in the image."""


def predict(
    model: UNet,
    image: Image,
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
    shape, far = tuple(image.shape[1:]), beyond(model.graph)
    plans = planned(model.graph, shape, tile_of(model, tile), exact=exact, overlap=bool(far))
    groups = _groups(plans, checked_batch(batch))
    out = array_for(model, keep, shape, out)
    why, seams, kept = _inexact(far, plans), Seams(), keeping(model.graph, keep)
    with _evaluating(model):
        for number, group in enumerate(groups, 1):
            for place, result in zip(group, _run(model, image, plans, group, kept), strict=True):
                if why:
                    seams.meet(out, result, place)
                _write(out, result, place)
            if progress:
                progress(sum(map(len, groups[:number])), sum(map(len, groups)))
    if why:
        warnings.warn(f"{why}, so the result is not that of the whole image: {seams}", InexactTiling, stacklevel=2)
    return out


def _groups(plans: Sequence[Plan], batch: int) -> list[list[Place]]:
    """The tiles that go in together, in the order of their axes."""
    places = list(product(*(plan.stretches for plan in plans)))
    return [places[first : first + batch] for first in range(0, len(places), batch)]


def _inexact(far: Sequence[str], plans: Sequence[Plan]) -> str:
    """Why tiles do not give what the whole image gives; nothing where they do, or where one tile is the image."""
    if far and any(plan.tile < plan.whole for plan in plans):
        return f"{far[0]}{f' and {len(far) - 1} more look' if len(far) > 1 else ' looks'} at whole maps"
    if any(plan.seams for plan in plans):
        return f"pixels see beyond tiles of {' x '.join(str(plan.tile) for plan in plans)}"
    return ""


@contextmanager
def _evaluating(model: UNet) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _run(
    model: UNet, image: Image, plans: Sequence[Plan], group: Sequence[Place], kept: Callable[[Tensor], Tensor]
) -> NDArray[Any]:
    """What is kept of a few tiles, (batch, channels, *size)."""
    size = [plan.tile for plan in plans]
    tiles = [mirrored(image, [s.start - p.lead for s, p in zip(place, plans, strict=True)], size) for place in group]
    parameter = next(model.parameters())
    x = torch.from_numpy(np.stack(tiles)).to(parameter.device, parameter.dtype)
    with torch.inference_mode():
        result = model(x)
        while not isinstance(result, Tensor):
            result = next(iter(result.values())) if isinstance(result, dict) else result[0]
        answer = kept(result)
        # numpy has no bfloat16.
        return (answer.float() if answer.dtype == torch.bfloat16 else answer).cpu().numpy()


def _write(out: Any, result: NDArray[Any], place: Place) -> None:
    """Puts what a tile decides where it belongs. An output begins at its tile's start: the border is cut evenly."""
    there = tuple(slice(s.first, s.last) for s in place)
    here = tuple(slice(s.first - s.start, s.last - s.start) for s in place)
    out[(slice(None), *there)] = result[(slice(None), *here)]
