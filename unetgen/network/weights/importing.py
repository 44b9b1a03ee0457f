"""Foreign weights into one of our networks, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from unetgen.errors import WeightsError
from unetgen.network.from_graph import UNet
from unetgen.network.init import start_modules
from unetgen.network.weights.checkpoint import bare
from unetgen.network.weights.foreign import Foreign, Weights
from unetgen.network.weights.key_map import KeyMap, Names, joined, shipped_map
from unetgen.network.weights.pairing import Pairing, by_key_map, by_structure
from unetgen.network.weights.report import Import
from unetgen.network.weights.state_layer import COUNTER, layer_of


def import_weights(model: UNet, weights: Weights, *, key_map: KeyMap | None = None, partial: bool = False) -> Import:
    """Copies the weights of another implementation into a network, and says what went where.

    ``weights`` is a safetensors file, a torch file, or a mapping. Layers are told by the key map, by a shipped one of
    the spec's name if it knows any of theirs, or else by structure: the k-th of their layers of each kind is the k-th
    of ours. ``partial=True`` takes what matches where not all does. Raises WeightsError.
    """
    model = bare(model)
    foreign = Foreign.of(weights)
    report = compared(model, foreign, key_map)
    if not partial:
        report.demand_whole()
    _fill(model, foreign, report)
    return report


def compared(model: UNet, foreign: Foreign, key_map: KeyMap | None) -> Import:
    """What an import would do."""
    ours = model.state_dict()
    name, pairing = _paired(model.spec.name, ours, foreign, key_map)
    return Import(
        source=foreign.name,
        key_map=name,
        pairs=pairing.pairs,
        aliases=pairing.aliases,
        left_out=(*pairing.left_out, *foreign.others),
        left_over=_unpaired(foreign.tensors, {*pairing.pairs, *pairing.left_out}),
        missing=_unpaired(ours, set(pairing.pairs.values())),
        by_order=pairing.by_order,
        orderless=pairing.orderless,
    )


def _paired(
    spec_name: str, ours: Mapping[str, Tensor], foreign: Foreign, key_map: KeyMap | None
) -> tuple[str | None, Pairing]:
    if key_map is not None:
        names = Names(key_map)
        return names.name, by_key_map(foreign, ours, names)
    if shipped := shipped_map(spec_name):
        pairing = by_key_map(foreign, ours, Names(shipped))
        if pairing.pairs:
            return shipped, pairing
    return None, by_structure(foreign, ours)


def _unpaired(tensors: Mapping[str, Tensor], paired: set[str]) -> dict[str, tuple[int, ...]]:
    """The shapes of what has no counterpart, but for the counter of a norm that has one itself."""
    layers = {layer_of(key) for key in paired}
    return {
        key: tuple(tensor.shape)
        for key, tensor in tensors.items()
        if key not in paired and not (key.endswith(COUNTER) and layer_of(key) in layers)
    }


def _fill(model: UNet, foreign: Foreign, report: Import) -> None:
    on_meta = next(model.parameters()).is_meta
    if on_meta and report.missing:
        hint = "build it on another device"
        raise WeightsError(
            f"{report.source}: this network is on the meta device and has no first weights to keep; {hint}"
        )
    if on_meta:
        start_modules(model, 0, first=False)
    kept = model.state_dict()
    found = {ours: foreign.tensors[theirs].reshape(kept[ours].shape) for theirs, ours in report.pairs.items()}
    counters = {joined(layer, COUNTER): torch.zeros((), dtype=torch.long) for layer in set(report.layers.values())}
    started = {key: tensor for key, tensor in counters.items() if key in kept}
    model.load_state_dict({**kept, **started, **found}, assign=on_meta)
