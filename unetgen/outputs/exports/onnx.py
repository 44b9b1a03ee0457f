"""Write ONNX files, after comparing the program with the network in onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from unetgen.errors import FormatError, MissingDependencyError
from unetgen.graph.ops.base import Size
from unetgen.network.unet import UNet
from unetgen.network.weights.tensor_file import write_atomically
from unetgen.outputs.exports.exact_norms import build_norm_decompositions
from unetgen.outputs.exports.metadata import collect_metadata
from unetgen.outputs.exports.onnx_size_check import add_size_check
from unetgen.outputs.exports.program import (
    VerifiedProgram,
    compute_max_relative_error,
    export_mode,
    export_verified,
)

# The opset that the exporter writes without conversion.
DEFAULT_OPSET = 20

# The size limit of protobuf, minus a margin for the graph.
_MAX_WEIGHT_BYTES = 2**31 - 2**24


def write(
    model: UNet,
    path: str | Path,
    input_size: Size | None = None,
    opset: int = DEFAULT_OPSET,
    *,
    exported: VerifiedProgram | None = None,
) -> str:
    """Write a network with one input, ``image``, and its outputs by name.

    Args:
        model: The network.
        path: The file to write.
        input_size: The only input size, without batch and channels (default: all sizes that can be expressed).
        opset: The version of the ONNX operators.
        exported: The result of ``export_verified`` for this network, to export only once for several formats;
            ``input_size`` is then ignored. It is not changed.

    Returns:
        One line with the opset, the sizes and the largest relative error in onnxruntime.

    Raises:
        FormatError: The network cannot be exported, or does not run in onnxruntime.
        MissingDependencyError: onnx, onnxruntime or onnxscript is not installed.
        SizeError: The input size does not fit.
        WeightsError: The file cannot be written.
    """
    runtime, newest_opset = _import_runtime()
    if opset > newest_opset:
        raise FormatError(f"{path}: opset {opset} is newer than the installed onnx; use {newest_opset} or older")
    if sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()) > _MAX_WEIGHT_BYTES:
        raise FormatError(f"{path}: the weights exceed the 2 GB limit of ONNX files; export pt2")
    exported = exported or export_verified(model, input_size)
    sizes = exported.sizes
    proto = _convert(model, exported.program, opset)
    add_size_check(proto, sizes)
    for key, value in collect_metadata(model, sizes).items():
        proto.metadata_props.add(key=key, value=value)
    content = proto.SerializeToString()
    try:
        max_error = compute_max_relative_error(model, _create_session(runtime, content), sizes.verification_sizes)
    except Exception as error:  # onnxruntime has no error class of its own
        first = str(error).strip().splitlines()[0]
        raise FormatError(f"{path}: verification in onnxruntime failed: {first}; export pt2") from error
    write_atomically(path, lambda partial: partial.write_bytes(content))
    written_opset = next(entry.version for entry in proto.opset_import if not entry.domain)
    return f"opset {written_opset}, sizes {sizes.description}, max relative error {max_error:.1g} in onnxruntime"


def _convert(model: UNet, program: ExportedProgram, opset: int) -> Any:
    """Return the ONNX model (a protobuf message) of a program."""
    with export_mode(model):
        decomposed = program.run_decompositions(
            {**torch.export.default_decompositions(), **build_norm_decompositions()}
        )
        converted: Any = torch.onnx.export(
            decomposed, (), dynamo=True, input_names=["image"], output_names=list_output_names(model),
            opset_version=opset, verbose=False, external_data=False,
        )  # fmt: skip
    return converted.model_proto


def list_output_names(model: UNet) -> list[str]:
    """Return the names of the outputs: ``output`` or the head's name, numbered if a head returns a list."""
    names = []
    for head, count in model.output_structure:
        name = head or "output"
        names += [name] if count is None else [f"{name}_{number}" for number in range(count)]
    return names


def _import_runtime() -> tuple[Any, int]:
    """Return onnxruntime and the newest opset of the installed onnx. Raises MissingDependencyError."""
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
