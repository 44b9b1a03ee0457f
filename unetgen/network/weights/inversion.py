"""Our weights under the names of another implementation: the way back of an import."""

from __future__ import annotations

from torch import Tensor

from unetgen.errors import WeightsError
from unetgen.network.from_graph import UNet
from unetgen.network.weights.checkpoint import bare
from unetgen.network.weights.foreign import Foreign, Weights
from unetgen.network.weights.importing import compared
from unetgen.network.weights.key_map import KeyMap, Names, shipped_map
from unetgen.network.weights.report import Import


def inverted(
    model: UNet, *, key_map: KeyMap | None = None, like: Weights | None = None, partial: bool = False
) -> tuple[dict[str, Tensor], Import]:
    """The weights of a network under foreign keys, and what importing them again would do.

    The keys are those of the checkpoint ``like``, or those that a key map has for our layers, all of them where it has
    several. ``partial=True`` leaves out what has no foreign name, and keeps what only ``like`` has.
    Raises WeightsError.
    """
    model = bare(model)
    foreign = _named(model, key_map) if like is None else Foreign.of(like)
    report = compared(model, foreign, key_map)
    if not partial:
        report.demand_whole()
    ours = model.state_dict()
    taken = {theirs: ours[key].reshape(foreign.tensors[theirs].shape) for theirs, key in report.pairs.items()}
    return {**foreign.tensors, **taken}, report


def _named(model: UNet, key_map: KeyMap | None) -> Foreign:
    """Our state dict under the names of a key map."""
    name = model.spec.name or "the network"
    key_map = key_map if key_map is not None else shipped_map(model.spec.name)
    if key_map is None:
        way = "give --key-map, or a file of theirs with --like"
        raise WeightsError(f"{name}: nothing says what its layers are called there; {way}")
    names = Names(key_map)
    tensors: dict[str, Tensor] = {}
    for key, tensor in model.state_dict().items():
        tensors |= dict.fromkeys(names.theirs(key), tensor)
    return Foreign(name, tensors)
