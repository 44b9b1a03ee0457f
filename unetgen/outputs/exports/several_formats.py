"""Write a network in several program formats from one run of torch.export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from unetgen.graph.ops.base import Size
from unetgen.network.unet import UNet
from unetgen.outputs.exports import aoti, onnx, pt2
from unetgen.outputs.exports.program import export_verified

ProgramFormat = Literal["pt2", "onnx", "aoti"]


def write_programs(
    model: UNet,
    paths: Mapping[ProgramFormat, str | Path],
    input_size: Size | None = None,
    *,
    opset: int = onnx.DEFAULT_OPSET,
) -> dict[ProgramFormat, str]:
    """Export a network once and write it in several formats.

    Args:
        model: The network.
        paths: The file to write for each format: ``pt2``, ``onnx``, ``aoti``.
        input_size: The only input size, without batch and channels (default: all sizes that can be expressed).
        opset: The version of the ONNX operators.

    Returns:
        For each format one line with the sizes and the largest relative error.

    Raises:
        FormatError: The network cannot be exported in one of the formats; earlier files are kept.
        MissingDependencyError: ``onnx`` is among the formats and its packages are not installed.
        SizeError: The input size does not fit.
        WeightsError: A file cannot be written.
    """
    exported = export_verified(model, input_size)
    writers = {"pt2": pt2.write, "onnx": onnx.write, "aoti": aoti.write}
    summaries: dict[ProgramFormat, str] = {}
    for name, path in paths.items():
        options: dict[str, Any] = {"opset": opset} if name == "onnx" else {}
        summaries[name] = writers[name](model, path, exported=exported, **options)
    return summaries
