"""Which tensor of a foreign state dict is which of ours: told by a key map, or by shapes and order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from unetgen.network.weights.aliases import aliases
from unetgen.network.weights.foreign import Foreign
from unetgen.network.weights.key_map import Names, demand_equal, joined
from unetgen.network.weights.state_layer import StateLayer, bare_shape, by_kind, layer_of, layers_of


@dataclass(slots=True)
class Pairing:
    """Their keys with ours; several of theirs may be one of ours."""

    pairs: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """Their layers that are another one of theirs once more, by path."""
    left_out: list[str] = field(default_factory=list)
    """Their keys that the key map maps to null."""
    by_order: int = 0
    """How many layers only their order tells from others of their kind."""
    orderless: bool = False
    """Whether layers stayed unmatched because the order of the file says nothing."""


def by_key_map(foreign: Foreign, ours: Mapping[str, Tensor], names: Names) -> Pairing:
    """The pairs that a key map names, where the shapes agree. Raises WeightsError where two of theirs disagree."""
    pairing = Pairing()
    sources: dict[str, str] = {}
    for key, tensor in foreign.tensors.items():
        try:
            target = names.ours(key)
        except KeyError:
            continue
        if target is None:
            pairing.left_out.append(key)
        elif target in ours and bare_shape(ours[target]) == bare_shape(tensor):
            pairing.pairs[key] = target
            first = sources.setdefault(target, key)
            if first != key:
                demand_equal(foreign.tensors[first], tensor, target, foreign.name)
                pairing.aliases[layer_of(key)] = layer_of(first)
    return pairing


def by_structure(foreign: Foreign, ours: Mapping[str, Tensor]) -> Pairing:
    """The k-th of their layers of each kind with the k-th of ours, where there are as many. Nothing is guessed."""
    pairing = Pairing()
    partners = _partners(foreign, layers_of(ours), pairing)
    for key, tensor in foreign.tensors.items():
        path, _, parameter = key.rpartition(".")
        original = pairing.aliases.get(path, path)
        if original in partners:
            target = joined(partners[original], parameter)
            if target in ours and bare_shape(ours[target]) == bare_shape(tensor):
                pairing.pairs[key] = target
    return pairing


def _partners(foreign: Foreign, ours: list[StateLayer], pairing: Pairing) -> dict[str, str]:
    """Our layer of each of theirs that is no alias; how they were told apart is noted in the pairing."""
    theirs, wanted = layers_of(foreign.tensors), by_kind(ours)
    pairing.aliases = aliases(theirs, {kind: len(layers) for kind, layers in wanted.items()})
    originals = by_kind(layer for layer in theirs if layer.path not in pairing.aliases)
    partners: dict[str, str] = {}
    for kind, layers in wanted.items():
        found = originals.get(kind, [])
        if len(found) != len(layers):
            continue
        if len(layers) > 1 and foreign.is_sorted:
            pairing.orderless = True
            continue
        pairing.by_order += len(layers) if len(layers) > 1 else 0
        partners |= {layer.path: partner.path for layer, partner in zip(found, layers, strict=True)}
    return partners
