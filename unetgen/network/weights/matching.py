"""Which tensor of a foreign state dict is which of ours: told by a key map, or by shapes and order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from unetgen.network.weights.external_checkpoint import ExternalCheckpoint
from unetgen.network.weights.key_map import KeyTranslator, join_key, require_equal
from unetgen.network.weights.shared_layers import find_aliases
from unetgen.network.weights.state_layer import (
    StateLayer,
    get_layer_path,
    group_by_signature,
    group_into_layers,
    squeeze_shape,
)


@dataclass(slots=True)
class TensorMatching:
    """Their keys with ours; several of theirs may be one of ours."""

    pairs: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """Their layers that are another one of theirs once more, by path."""
    ignored: list[str] = field(default_factory=list)
    """Their keys that the key map maps to null."""
    matched_by_order: int = 0
    """How many layers only their order tells from others of their kind."""
    unordered: bool = False
    """Whether layers stayed unmatched because the order of the file says nothing."""


def match_by_key_map(
    checkpoint: ExternalCheckpoint, target_tensors: Mapping[str, Tensor], translator: KeyTranslator
) -> TensorMatching:
    """The pairs that a key map names, where the shapes agree. Raises WeightsError where two of theirs disagree."""
    pairing = TensorMatching()
    sources: dict[str, str] = {}
    for key, tensor in checkpoint.tensors.items():
        try:
            target = translator.translate(key)
        except KeyError:
            continue
        if target is None:
            pairing.ignored.append(key)
        elif target in target_tensors and squeeze_shape(target_tensors[target]) == squeeze_shape(tensor):
            pairing.pairs[key] = target
            first = sources.setdefault(target, key)
            if first != key:
                require_equal(checkpoint.tensors[first], tensor, target, checkpoint.name)
                pairing.aliases[get_layer_path(key)] = get_layer_path(first)
    return pairing


def match_by_structure(checkpoint: ExternalCheckpoint, target_tensors: Mapping[str, Tensor]) -> TensorMatching:
    """The k-th of their layers of each kind with the k-th of ours, where there are as many. Nothing is guessed."""
    pairing = TensorMatching()
    partners = _match_layers(checkpoint, group_into_layers(target_tensors), pairing)
    for key, tensor in checkpoint.tensors.items():
        path, _, parameter = key.rpartition(".")
        original = pairing.aliases.get(path, path)
        if original in partners:
            target = join_key(partners[original], parameter)
            if target in target_tensors and squeeze_shape(target_tensors[target]) == squeeze_shape(tensor):
                pairing.pairs[key] = target
    return pairing


def _match_layers(
    checkpoint: ExternalCheckpoint, target_layers: list[StateLayer], matching: TensorMatching
) -> dict[str, str]:
    """Our layer of each of theirs that is no alias; how they were told apart is noted in the pairing."""
    theirs, wanted = group_into_layers(checkpoint.tensors), group_by_signature(target_layers)
    matching.aliases = find_aliases(theirs, {kind: len(layers) for kind, layers in wanted.items()})
    originals = group_by_signature(layer for layer in theirs if layer.path not in matching.aliases)
    partners: dict[str, str] = {}
    for kind, layers in wanted.items():
        found = originals.get(kind, [])
        if len(found) != len(layers):
            continue
        if len(layers) > 1 and checkpoint.is_sorted:
            matching.unordered = True
            continue
        matching.matched_by_order += len(layers) if len(layers) > 1 else 0
        partners |= {layer.path: partner.path for layer, partner in zip(found, layers, strict=True)}
    return partners
