"""torch.export's own file, .pt2: a program that any later torch loads and runs."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from unetgen.graph.ops.base import Size
from unetgen.network.from_graph import UNet
from unetgen.network.weights.file import write_whole
from unetgen.outputs.exports.metadata import metadata
from unetgen.outputs.exports.program import program_of, quiet, refusing


def write(model: UNet, path: Path, input_size: Size | None = None) -> str:
    """Writes the program; it refuses sizes that it was not made for. Raises FormatError."""
    program, sizes, apart = program_of(model, input_size)
    refusing(program, sizes)
    extra = {"unetgen.json": json.dumps(metadata(model, sizes))}

    def save(partial: Path) -> None:
        with quiet(model), partial.open("wb") as file:
            torch.export.save(program, file, extra_files=extra)

    write_whole(path, save)
    return f"sizes {sizes.told}, {apart:.1g} from the network at most"
