"""Foreign weights into one of our networks, whole or not at all."""

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
from unetgen.network.weights.key_map import KeyMap, KeyTranslator, find_shipped_key_map, join_key
from unetgen.network.weights.matching import TensorMatching, match_by_key_map, match_by_structure
from unetgen.network.weights.state_layer import BATCH_COUNTER, get_layer_path


def import_weights(
    model: UNet, weights: WeightsSource, *, key_map: KeyMap | None = None, partial: bool = False
) -> ImportReport:
    """Copies the weights of another implementation into a network, and says what went where.

    ``weights`` is a safetensors file, a torch file, or a mapping. Layers are told by the key map, by a shipped one of
    the spec's name if it knows any of theirs, or else by structure: the k-th of their layers of each kind is the k-th
    of ours. ``partial=True`` takes what matches where not all does. Raises WeightsError.
    """
    model = unwrap_compiled(model)
    foreign = ExternalCheckpoint.of(weights)
    report = plan_import(model, foreign, key_map)
    if not partial:
        report.raise_if_incomplete()
    _load_matched(model, foreign, report)
    return report


def plan_import(model: UNet, checkpoint: ExternalCheckpoint, key_map: KeyMap | None) -> ImportReport:
    """What an import would do."""
    ours = model.state_dict()
    name, pairing = _match_tensors(model.spec.name, ours, checkpoint, key_map)
    return ImportReport(
        source=checkpoint.name,
        key_map=name,
        pairs=pairing.pairs,
        aliases=pairing.aliases,
        ignored=(*pairing.ignored, *checkpoint.non_tensors),
        unmatched_source=_collect_unmatched(checkpoint.tensors, {*pairing.pairs, *pairing.ignored}),
        missing=_collect_unmatched(ours, set(pairing.pairs.values())),
        matched_by_order=pairing.matched_by_order,
        unordered=pairing.unordered,
    )


def _match_tensors(
    spec_name: str, target_tensors: Mapping[str, Tensor], checkpoint: ExternalCheckpoint, key_map: KeyMap | None
) -> tuple[str | None, TensorMatching]:
    if key_map is not None:
        names = KeyTranslator(key_map)
        return names.name, match_by_key_map(checkpoint, target_tensors, names)
    if shipped := find_shipped_key_map(spec_name):
        pairing = match_by_key_map(checkpoint, target_tensors, KeyTranslator(shipped))
        if pairing.pairs:
            return shipped, pairing
    return None, match_by_structure(checkpoint, target_tensors)


def _collect_unmatched(tensors: Mapping[str, Tensor], matched: set[str]) -> dict[str, tuple[int, ...]]:
    """The shapes of what has no counterpart, but for the counter of a norm that has one itself."""
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
            f"{report.source}: this network is on the meta device and has no first weights to keep; {hint}"
        )
    if on_meta:
        initialize_external_modules(model, 0, with_initial_weights=False)
    kept = model.state_dict()
    found = {ours: checkpoint.tensors[theirs].reshape(kept[ours].shape) for theirs, ours in report.pairs.items()}
    counters = {
        join_key(layer, BATCH_COUNTER): torch.zeros((), dtype=torch.long) for layer in set(report.layer_pairs.values())
    }
    started = {key: tensor for key, tensor in counters.items() if key in kept}
    model.load_state_dict({**kept, **started, **found}, assign=on_meta)
