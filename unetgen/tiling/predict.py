"""predict: a network over an image of any size, with the memory of a few tiles."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetgen.errors import Problem, SizeError
from unetgen.graph.graph import Graph
from unetgen.graph.size import smallest_fitting
from unetgen.tiling.keeping import Keep, keeping
from unetgen.tiling.locality import beyond
from unetgen.tiling.mirror import Image, mirrored
from unetgen.tiling.plan import Plan, Stretch, planned
from unetgen.tiling.seams import Seams

if TYPE_CHECKING:
    from unetgen.network.from_graph import UNet

# Where nobody says how large tiles are.
USUAL_TILE = 512

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

    The result is that of the image in one piece, mirrored at its borders to a size that fits, for every network whose
    pixels see a bounded window; of others a warning says how far neighbouring tiles are apart. ``tile`` is what goes
    into the network at a time (the spec's input size unless said), ``batch`` how many tiles together; ``keep`` makes
    ``probabilities`` of the outputs, or ``labels``, (1, *size). ``out`` is an array to write to, made by numpy unless
    given. ``progress`` hears how many tiles are done, of how many. With ``exact=False`` tiles may be too small to be
    free of their borders, with the same warning. The model runs where it is, in evaluation mode, and is left as it was.
    Raises SizeError where the tile or the image does not fit the network.
    """
    check(model.graph, image)
    shape, size = tuple(image.shape[1:]), _tile(model, tile)
    far = beyond(model.graph)
    plans = planned(model.graph, shape, size, exact=exact, overlap=bool(far))
    places = list(product(*(plan.stretches for plan in plans)))
    why = _inexact(far, plans, size) if len(places) > 1 else ""
    seams = Seams()
    kept = keeping(model.graph, keep)
    with _evaluating(model):
        done = 0
        for group in _groups(places, batch):
            for place, result in zip(group, _run(model, image, plans, group, kept), strict=True):
                out = np.empty((len(result), *shape), result.dtype) if out is None else out
                if why:
                    seams.meet(out, result, place)
                _write(out, result, place)
            done += len(group)
            if progress:
                progress(done, len(places))
    if why:
        warnings.warn(f"{why}, so the result is not that of the whole image: {seams}", InexactTiling, stacklevel=2)
    return out


def _inexact(far: Sequence[str], plans: Sequence[Plan], tile: Sequence[int]) -> str:
    """Why tiles do not give what the whole image gives; nothing where they do."""
    if far:
        return f"{far[0]}{f' and {len(far) - 1} more look' if len(far) > 1 else ' looks'} at whole maps"
    if any(plan.seams for plan in plans):
        return f"pixels see beyond tiles of {' x '.join(map(str, tile))}"
    return ""


@contextmanager
def _evaluating(model: UNet) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _groups(places: Sequence[Place], batch: int) -> Iterator[list[Place]]:
    remaining = iter(places)
    while group := list(islice(remaining, batch)):
        yield group


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


def check(graph: Graph, image: Image) -> None:
    """Raises SizeError where an image is none for this network."""
    if len(image.shape) != graph.dims + 1 or image.shape[0] != graph.in_channels:
        axes = ", ".join([str(graph.in_channels), *(["size"] * graph.dims)])
        message = f"the image has shape {tuple(image.shape)}, this network takes ({axes})"
        hint = "add or move the channel axis" if len(image.shape) != graph.dims + 1 else "check in_channels"
        raise SizeError([Problem("shape", "image", message, hint)])
    if graph.nodes[graph.output].op.flat:
        raise SizeError([Problem("shape", "head", "the first output is no map", "call the model on whole images")])


def _tile(model: UNet, tile: int | Sequence[int] | None) -> tuple[int, ...]:
    graph = model.graph
    if tile is None:
        return model.spec.input_size or smallest_fitting(graph, USUAL_TILE) or (USUAL_TILE,) * graph.dims
    size = (tile,) * graph.dims if isinstance(tile, int) else tuple(tile)
    if len(size) != graph.dims:
        message = f"the tile has {len(size)} numbers, the network has {graph.dims} axes"
        raise SizeError([Problem("shape", "tile", message, "give one number for all axes")])
    return size
