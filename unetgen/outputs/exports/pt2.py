"""Write the file format of torch.export, .pt2: a program that the same or a later torch loads and runs."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from unetgen.graph.ops.base import Size
from unetgen.network.unet import UNet
from unetgen.network.weights.tensor_file import write_atomically
from unetgen.outputs.exports.metadata import collect_metadata
from unetgen.outputs.exports.program import VerifiedProgram, add_size_assertions, export_mode, export_verified


def write(
    model: UNet, path: str | Path, input_size: Size | None = None, *, exported: VerifiedProgram | None = None
) -> str:
    """Write a program that rejects sizes that it was not exported for.

    Args:
        model: The network.
        path: The file to write.
        input_size: The only input size, without batch and channels (default: all sizes that can be expressed).
        exported: The result of ``export_verified`` for this network, to export only once for several formats;
            ``input_size`` is then ignored. It is not changed.

    Returns:
        One line with the sizes and the largest relative error.

    Raises:
        FormatError: The network cannot be exported.
        SizeError: The input size does not fit.
        WeightsError: The file cannot be written.
    """
    exported = exported or export_verified(model, input_size)
    sizes = exported.sizes
    program = add_size_assertions(exported.program, sizes)
    extra = {"unetgen.json": json.dumps(collect_metadata(model, sizes))}

    def save(partial: Path) -> None:
        with export_mode(model), partial.open("wb") as file:
            torch.export.save(program, file, extra_files=extra)

    write_atomically(path, save)
    return f"sizes {sizes.description}, max relative error {exported.max_relative_error:.1g}"
