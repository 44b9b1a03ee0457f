"""Import weights of another implementation into a network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from unetgen.errors import WeightsError
from unetgen.network.initialization import initialize_external_modules
from unetgen.network.unet import UNet
from unetgen.network.weights.checkpoint import unwrap_compiled
from unetgen.network.weights.external_checkpoint import ExternalCheckpoint, WeightsSource
from unetgen.network.weights.import_report import ImportReport
from unetgen.network.weights.key_map import KeyMapSource, KeyTranslator, find_shipped_key_map_name, join_key
from unetgen.network.weights.matching import (
    TensorMatching,
    find_name_prefix,
    match_by_key_map,
    match_by_name,
    match_by_structure,
)
from unetgen.network.weights.state_layer import BATCH_COUNTER, get_layer_path


def import_weights(
    model: UNet, weights: WeightsSource, *, key_map: KeyMapSource | None = None, partial: bool = False
) -> ImportReport:
    """Copy the weights of another implementation into a network.

    Layers are matched by the key map; without one, by the shipped key map named after the spec if it matches any layer;
    otherwise by structure: within each kind of layer, the k-th source layer (file order) with the k-th layer of the
    network (execution order).

    Args:
        model: The network, or its ``torch.compile`` wrapper.
        weights: A safetensors file, a torch file, or a mapping.
        key_map: Maps source layer paths to those of the network: a mapping, a YAML file, or the name of a shipped map.
        partial: Whether to import the matching tensors if others do not match.

    Returns:
        The matched, missing and unmatched tensors.

    Raises:
        WeightsError: The weights cannot be read, or do not match and ``partial`` is False.

    Examples:
        >>> import torch, unetgen
        >>> model = unetgen.build("unet_1d", widths=[4, 8], seed=0)
        >>> source = {f"net.{key}": tensor for key, tensor in model.state_dict().items()}
        >>> unetgen.import_weights(model, source).is_complete
        True
    """
    model = unwrap_compiled(model)
    checkpoint = ExternalCheckpoint.of(weights)
    report = plan_import(model, checkpoint, key_map)
    if not partial:
        report.raise_if_incomplete()
    _load_matched(model, checkpoint, report)
    return report


def plan_import(model: UNet, checkpoint: ExternalCheckpoint, key_map: KeyMapSource | None) -> ImportReport:
    """Match a checkpoint with a network, without copying.

    Args:
        model: The network.
        checkpoint: The checkpoint of another implementation.
        key_map: As for ``import_weights``.

    Returns:
        The report of the import.
    """
    targets = model.state_dict()
    key_map_name, matching = _match_tensors(model.spec.name, targets, checkpoint, key_map)
    return ImportReport(
        source=checkpoint.name,
        key_map=key_map_name,
        pairs=matching.pairs,
        aliases=matching.aliases,
        ignored=(*matching.ignored, *checkpoint.non_tensors),
        unmatched_source=_collect_unmatched(checkpoint.tensors, {*matching.pairs, *matching.ignored}),
        missing=_collect_unmatched(targets, set(matching.pairs.values())),
        matched_by_order=matching.matched_by_order,
        unordered=matching.unordered,
        has_own_names=matching.has_own_names,
    )


def _match_tensors(
    spec_name: str, target_tensors: Mapping[str, Tensor], checkpoint: ExternalCheckpoint, key_map: KeyMapSource | None
) -> tuple[str | None, TensorMatching]:
    if key_map is not None:
        translator = KeyTranslator(key_map)
        return translator.name, match_by_key_map(checkpoint, target_tensors, translator)
    if (prefix := find_name_prefix(checkpoint, target_tensors)) is not None:
        return None, match_by_name(checkpoint, target_tensors, prefix)
    if shipped := find_shipped_key_map_name(spec_name):
        matching = match_by_key_map(checkpoint, target_tensors, KeyTranslator(shipped))
        if matching.pairs:
            return shipped, matching
    return None, match_by_structure(checkpoint, target_tensors)


def _collect_unmatched(tensors: Mapping[str, Tensor], matched: set[str]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of unmatched tensors; ``num_batches_tracked`` of matched norms is omitted."""
    layers = {get_layer_path(key) for key in matched}
    return {
        key: tuple(tensor.shape)
        for key, tensor in tensors.items()
        if key not in matched and not (key.endswith(BATCH_COUNTER) and get_layer_path(key) in layers)
    }


def _load_matched(model: UNet, checkpoint: ExternalCheckpoint, report: ImportReport) -> None:
    on_meta = next(model.parameters()).is_meta
    if on_meta and report.missing:
        hint = "build it on another device"
        raise WeightsError(
            f"{report.source}: this network is on the meta device and has no initial weights to keep; {hint}"
        )
    if on_meta:
        initialize_external_modules(model, 0, with_initial_weights=False)
    state = model.state_dict()
    imported = {
        # In the network's own type: a file in half precision would leave it with layers of two types.
        target: checkpoint.tensors[source].reshape(state[target].shape).to(state[target].dtype)
        for source, target in report.pairs.items()
    }
    counters = {
        join_key(layer, BATCH_COUNTER): torch.zeros((), dtype=torch.long) for layer in set(report.layer_pairs.values())
    }
    reset_counters = {key: tensor for key, tensor in counters.items() if key in state}
    model.load_state_dict({**state, **reset_counters, **imported}, assign=on_meta)
