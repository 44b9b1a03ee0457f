"""Our weights under the names of another implementation: the way back of an import."""

from __future__ import annotations

from torch import Tensor

from unetgen.errors import WeightsError
from unetgen.network.unet import UNet
from unetgen.network.weights.checkpoint import unwrap_compiled
from unetgen.network.weights.external_checkpoint import ExternalCheckpoint, WeightsSource
from unetgen.network.weights.import_report import ImportReport
from unetgen.network.weights.importing import plan_import
from unetgen.network.weights.key_map import KeyMap, KeyTranslator, find_shipped_key_map


def export_with_key_map(
    model: UNet, *, key_map: KeyMap | None = None, like: WeightsSource | None = None, partial: bool = False
) -> tuple[dict[str, Tensor], ImportReport]:
    """The weights of a network under foreign keys, and what importing them again would do.

    The keys are those of the checkpoint ``like``, or those that a key map has for our layers, all of them where it has
    several. ``partial=True`` leaves out what has no foreign name, and keeps what only ``like`` has.
    Raises WeightsError.
    """
    model = unwrap_compiled(model)
    foreign = _rename_with_key_map(model, key_map) if like is None else ExternalCheckpoint.of(like)
    report = plan_import(model, foreign, key_map)
    if not partial:
        report.raise_if_incomplete()
    ours = model.state_dict()
    taken = {theirs: ours[key].reshape(foreign.tensors[theirs].shape) for theirs, key in report.pairs.items()}
    return {**foreign.tensors, **taken}, report


def _rename_with_key_map(model: UNet, key_map: KeyMap | None) -> ExternalCheckpoint:
    """Our state dict under the names of a key map."""
    name = model.spec.name or "the network"
    key_map = key_map if key_map is not None else find_shipped_key_map(model.spec.name)
    if key_map is None:
        way = "give --key-map, or a file of theirs with --like"
        raise WeightsError(f"{name}: nothing says what its layers are called there; {way}")
    names = KeyTranslator(key_map)
    tensors: dict[str, Tensor] = {}
    for key, tensor in model.state_dict().items():
        tensors |= dict.fromkeys(names.find_source_keys(key), tensor)
    return ExternalCheckpoint(name, tensors)
