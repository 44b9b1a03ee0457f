"""torch.export's own file, .pt2: a program that any later torch loads and runs."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from unetgen.graph.ops.base import Size
from unetgen.network.unet import UNet
from unetgen.network.weights.tensor_file import write_atomically
from unetgen.outputs.exports.metadata import collect_metadata
from unetgen.outputs.exports.program import add_size_assertions, export_mode, export_verified


def write(model: UNet, path: Path, input_size: Size | None = None) -> str:
    """Writes the program; it refuses sizes that it was not made for. Raises FormatError."""
    program, sizes, apart = export_verified(model, input_size)
    add_size_assertions(program, sizes)
    extra = {"unetgen.json": json.dumps(collect_metadata(model, sizes))}

    def save(partial: Path) -> None:
        with export_mode(model), partial.open("wb") as file:
            torch.export.save(program, file, extra_files=extra)

    write_atomically(path, save)
    return f"sizes {sizes.description}, {apart:.1g} from the network at most"
