"""Match the tensors of a checkpoint with those of a network: by name, by a key map, or by shapes and order."""

from __future__ import annotations

from collections import Counter
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
    """Target keys by source key; several source keys may have the same target."""

    pairs: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """Source layers that duplicate another source layer, with its path."""
    ignored: list[str] = field(default_factory=list)
    """Source keys that the key map maps to null."""
    matched_by_order: int = 0
    """The number of layers that were matched only by their order among layers of equal kind."""
    unordered: bool = False
    """Whether layers stayed unmatched because the file is sorted by name."""
    has_own_names: bool = False
    """Whether the checkpoint has the names of this network, so that these decide."""


def match_by_key_map(
    checkpoint: ExternalCheckpoint, target_tensors: Mapping[str, Tensor], translator: KeyTranslator
) -> TensorMatching:
    """Match the tensors that a key map names and whose shapes agree.

    Args:
        checkpoint: The checkpoint of another implementation.
        target_tensors: The state dict of the network.
        translator: The key map.

    Returns:
        The matching.

    Raises:
        WeightsError: Two source keys with the same target have different tensors.
    """
    matching = TensorMatching()
    sources: dict[str, str] = {}
    for key, tensor in checkpoint.tensors.items():
        try:
            target = translator.translate(key)
        except KeyError:
            continue
        if target is None:
            matching.ignored.append(key)
        elif target in target_tensors and squeeze_shape(target_tensors[target]) == squeeze_shape(tensor):
            matching.pairs[key] = target
            first = sources.setdefault(target, key)
            if first != key:
                require_equal(checkpoint.tensors[first], tensor, target, checkpoint.name)
                matching.aliases[get_layer_path(key)] = get_layer_path(first)
    return matching


def find_name_prefix(checkpoint: ExternalCheckpoint, target_tensors: Mapping[str, Tensor]) -> str | None:
    """Return the prefix below which a checkpoint has the names of a network, such as ``model.``; None if it has others.

    At least half of the network's names, or of the checkpoint's, must be the same; equal names of another
    implementation are single ones.
    """
    prefixes: Counter[str] = Counter()
    for key in checkpoint.tensors:
        parts = key.split(".")
        prefixes.update(
            ".".join(parts[:n]) + "." * (n > 0) for n in range(len(parts)) if ".".join(parts[n:]) in target_tensors
        )
    if not prefixes:
        return None
    prefix, count = max(prefixes.items(), key=lambda item: (item[1], -len(item[0])))
    below = sum(key.startswith(prefix) for key in checkpoint.tensors)
    return prefix if 2 * count >= min(below, len(target_tensors)) else None


def match_by_name(checkpoint: ExternalCheckpoint, target_tensors: Mapping[str, Tensor], prefix: str) -> TensorMatching:
    """Match the tensors of equal name and shape, then the rest by structure.

    A name that both have with different shapes stays unmatched, since its tensor belongs to no other layer.

    Args:
        checkpoint: A checkpoint with the names of the network below a prefix.
        target_tensors: The state dict of the network.
        prefix: The prefix; tensors outside it belong to something beside the network, and are ignored.

    Returns:
        The matching.
    """
    names = {key: key.removeprefix(prefix) for key in checkpoint.tensors if key.startswith(prefix)}
    named = {key: name for key, name in names.items() if name in target_tensors}
    other_sources = {key: checkpoint.tensors[key] for key in names if key not in named}
    other_targets = {key: tensor for key, tensor in target_tensors.items() if key not in named.values()}
    rest = ExternalCheckpoint(checkpoint.name, other_sources)
    matching = match_by_structure(rest, other_targets)
    equal = {key: name for key, name in named.items() if target_tensors[name].shape == checkpoint.tensors[key].shape}
    matching.pairs = {**equal, **matching.pairs}
    matching.ignored += [key for key in checkpoint.tensors if key not in names]
    matching.has_own_names = True
    return matching


def match_by_structure(checkpoint: ExternalCheckpoint, target_tensors: Mapping[str, Tensor]) -> TensorMatching:
    """Match layers by kind and order: within a kind, the k-th source layer with the k-th target layer.

    A kind with different numbers of layers on the two sides stays unmatched.

    Args:
        checkpoint: The checkpoint of another implementation.
        target_tensors: The state dict of the network.

    Returns:
        The matching.
    """
    matching = TensorMatching()
    partners = _match_layers(checkpoint, group_into_layers(target_tensors), matching)
    for key, tensor in checkpoint.tensors.items():
        path, _, parameter = key.rpartition(".")
        original = matching.aliases.get(path, path)
        if original in partners:
            target = join_key(partners[original], parameter)
            if target in target_tensors and squeeze_shape(target_tensors[target]) == squeeze_shape(tensor):
                matching.pairs[key] = target
    return matching


def _match_layers(
    checkpoint: ExternalCheckpoint, target_layers: list[StateLayer], matching: TensorMatching
) -> dict[str, str]:
    """Return the target layer of each source layer that is not an alias; record aliases and order in the matching."""
    source_layers, targets_by_kind = group_into_layers(checkpoint.tensors), group_by_signature(target_layers)
    matching.aliases = find_aliases(source_layers, {kind: len(targets) for kind, targets in targets_by_kind.items()})
    originals = group_by_signature(layer for layer in source_layers if layer.path not in matching.aliases)
    partners: dict[str, str] = {}
    for kind, targets in targets_by_kind.items():
        sources = originals.get(kind, [])
        if len(sources) != len(targets):
            continue
        if len(targets) > 1 and checkpoint.is_sorted:
            matching.unordered = True
            continue
        matching.matched_by_order += len(targets) if len(targets) > 1 else 0
        partners |= {source.path: target.path for source, target in zip(sources, targets, strict=True)}
    return partners
