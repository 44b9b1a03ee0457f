"""ONNX, tried in onnxruntime before it is handed out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.errors import FormatError, MissingDependencyError
from unetgen.graph.ops.base import Size
from unetgen.network.unet import UNet
from unetgen.network.weights.tensor_file import write_atomically
from unetgen.outputs.exports.exact_norms import build_norm_decompositions
from unetgen.outputs.exports.metadata import collect_metadata
from unetgen.outputs.exports.onnx_size_check import add_size_check
from unetgen.outputs.exports.program import compute_max_relative_error, export_mode, export_verified

# What the exporter writes without a conversion.
DEFAULT_OPSET = 20

# Protobuf ends at two gigabytes.
_MAX_WEIGHT_BYTES = 2**31 - 2**24


def write(model: UNet, path: Path, input_size: Size | None = None, opset: int = DEFAULT_OPSET) -> str:
    """Writes the network with one input, ``image``, and its outputs by name. Raises FormatError and MissingExtra."""
    runtime, newest = _import_runtime()
    if opset > newest:
        raise FormatError(
            f"{path}: opset {opset} is not known to this onnx, the newest is {newest}; take that or an older one"
        )
    if sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()) > _MAX_WEIGHT_BYTES:
        raise FormatError(f"{path}: ONNX files end at 2 GB, these weights do not; export pt2")
    program, sizes, _ = export_verified(model, input_size)
    with export_mode(model):
        steadied = program.run_decompositions({**torch.export.default_decompositions(), **build_norm_decompositions()})
        made: Any = torch.onnx.export(
            steadied, (), dynamo=True, input_names=["image"], output_names=list_output_names(model), opset_version=opset,
            verbose=False, external_data=False,
        )  # fmt: skip
    content = made.model_proto
    add_size_check(content, sizes)
    for key, value in collect_metadata(model, sizes).items():
        content.metadata_props.add(key=key, value=value)
    data = content.SerializeToString()
    try:
        apart = compute_max_relative_error(model, _create_session(runtime, data), sizes.verification_sizes)
    except Exception as error:  # onnxruntime has no class of its own
        first = str(error).strip().splitlines()[0]
        raise FormatError(f"{path}: onnxruntime does not run it as the network runs: {first}; export pt2") from error
    write_atomically(path, lambda partial: partial.write_bytes(data))
    reached = next(entry.version for entry in content.opset_import if not entry.domain)
    return f"opset {reached}, sizes {sizes.description}, {apart:.1g} from the network at most in onnxruntime"


def list_output_names(model: UNet) -> list[str]:
    """The outputs: ``output``, or by their heads' names; with numbers where they are lists."""
    found = []
    for name, count in model.output_structure:
        title = name or "output"
        found += [title] if count is None else [f"{title}_{number}" for number in range(count)]
    return found


def _import_runtime() -> tuple[Any, int]:
    """onnxruntime, and the newest opset that can be written."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("ONNX", str(error.name), "onnx") from None
    return onnxruntime, onnx.defs.onnx_opset_version()


def _create_session(runtime: Any, data: bytes) -> Callable[[Tensor], list[Tensor]]:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(y) for y in session.run(None, {"image": x.cpu().numpy()})]
