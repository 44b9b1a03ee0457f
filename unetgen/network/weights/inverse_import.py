"""Export weights under the keys of another implementation: the inverse of an import."""

from __future__ import annotations

from torch import Tensor

from unetgen.errors import WeightsError
from unetgen.network.unet import UNet
from unetgen.network.weights.checkpoint import unwrap_compiled
from unetgen.network.weights.external_checkpoint import ExternalCheckpoint, WeightsSource
from unetgen.network.weights.import_report import ImportReport
from unetgen.network.weights.importing import plan_import
from unetgen.network.weights.key_map import KeyMapSource, KeyTranslator, find_shipped_key_map_name


def export_with_key_map(
    model: UNet, *, key_map: KeyMapSource | None = None, like: WeightsSource | None = None, partial: bool = False
) -> tuple[dict[str, Tensor], ImportReport]:
    """Return the weights of a network under the keys of another implementation.

    Args:
        model: The network.
        key_map: The key map to invert; a layer with several source paths is written under all of them (default: the
            shipped key map of the spec's name).
        like: A checkpoint of the other implementation whose keys and shapes are used instead.
        partial: Whether to omit tensors without a key there, and to keep tensors that only ``like`` has.

    Returns:
        The state dict, and the report of importing it again.

    Raises:
        WeightsError: No key map is known, or tensors do not match and ``partial`` is False.
    """
    model = unwrap_compiled(model)
    checkpoint = _rename_with_key_map(model, key_map) if like is None else ExternalCheckpoint.of(like)
    report = plan_import(model, checkpoint, key_map)
    if not partial:
        report.raise_if_incomplete()
    state = model.state_dict()
    exported = {
        source: state[target].reshape(checkpoint.tensors[source].shape) for source, target in report.pairs.items()
    }
    return {**checkpoint.tensors, **exported}, report


def _rename_with_key_map(model: UNet, key_map: KeyMapSource | None) -> ExternalCheckpoint:
    """Return the state dict of a network under the source keys of a key map."""
    name = model.spec.name or "the network"
    key_map = key_map if key_map is not None else find_shipped_key_map_name(model.spec.name)
    if key_map is None:
        raise WeightsError(f"{name}: no key map for this network; give --key-map, or a checkpoint with --like")
    translator = KeyTranslator(key_map)
    tensors: dict[str, Tensor] = {}
    for key, tensor in model.state_dict().items():
        tensors |= dict.fromkeys(translator.find_source_keys(key), tensor)
    return ExternalCheckpoint(name, tensors)
