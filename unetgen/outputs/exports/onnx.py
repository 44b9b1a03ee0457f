"""ONNX, tried in onnxruntime before it is handed out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.errors import FormatError, MissingExtra
from unetgen.graph.ops.base import Size
from unetgen.network.from_graph import UNet
from unetgen.network.weights.file import write_whole
from unetgen.outputs.exports.metadata import metadata
from unetgen.outputs.exports.norms import steady
from unetgen.outputs.exports.program import difference, program_of, quiet
from unetgen.outputs.exports.refusal import refuse

# What the exporter writes without a conversion.
OPSET = 20

# Protobuf ends at two gigabytes.
_LARGEST = 2**31 - 2**24


def write(model: UNet, path: Path, input_size: Size | None = None, opset: int = OPSET) -> str:
    """Writes the network with one input, ``image``, and its outputs by name. Raises FormatError and MissingExtra."""
    runtime, newest = _runtime()
    if opset > newest:
        raise FormatError(
            f"{path}: opset {opset} is not known to this onnx, the newest is {newest}; take that or an older one"
        )
    if sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()) > _LARGEST:
        raise FormatError(f"{path}: ONNX files end at 2 GB, these weights do not; export pt2")
    program, sizes, _ = program_of(model, input_size)
    with quiet(model):
        steadied = program.run_decompositions({**torch.export.default_decompositions(), **steady()})
        made: Any = torch.onnx.export(
            steadied, (), dynamo=True, input_names=["image"], output_names=names(model), opset_version=opset,
            verbose=False, external_data=False,
        )  # fmt: skip
    content = made.model_proto
    refuse(content, sizes)
    for key, value in metadata(model, sizes).items():
        content.metadata_props.add(key=key, value=value)
    data = content.SerializeToString()
    try:
        apart = difference(model, _session(runtime, data), sizes.tried)
    except Exception as error:  # onnxruntime has no class of its own
        first = str(error).strip().splitlines()[0]
        raise FormatError(f"{path}: onnxruntime does not run it as the network runs: {first}; export pt2") from error
    write_whole(path, lambda partial: partial.write_bytes(data))
    reached = next(entry.version for entry in content.opset_import if not entry.domain)
    return f"opset {reached}, sizes {sizes.told}, {apart:.1g} from the network at most in onnxruntime"


def names(model: UNet) -> list[str]:
    """The outputs: ``output``, or by their heads' names; with numbers where they are lists."""
    found = []
    for name, count in model.form:
        title = name or "output"
        found += [title] if count is None else [f"{title}_{number}" for number in range(count)]
    return found


def _runtime() -> tuple[Any, int]:
    """onnxruntime, and the newest opset that can be written."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra("ONNX", str(error.name), "onnx") from None
    return onnxruntime, onnx.defs.onnx_opset_version()


def _session(runtime: Any, data: bytes) -> Callable[[Tensor], list[Tensor]]:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(y) for y in session.run(None, {"image": x.cpu().numpy()})]
