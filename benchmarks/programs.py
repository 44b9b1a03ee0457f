"""Compare every shipped network at full width with its source, .pt2 and ONNX in onnxruntime, at three sizes each.

    python -m benchmarks.programs [--specs unet_paper u2net] [--weights first normalised]

The error is the largest difference of any output from the network's, relative to the largest value: the numbers of
docs/reference/export-formats.md. ``rounding`` is the network's own error in single precision against double precision;
no program can be expected to be much more exact. ``largest`` is the largest output. ``first`` are the initial weights,
with running means of 0 and variances of 1. With ``normalised``, the running statistics of batch norms are those of
noise, as after training.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import unetgen
from benchmarks.table import Table
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.network.unet import UNet, flatten_outputs
from unetgen.outputs.exports import onnx, pt2
from unetgen.outputs.exports.metadata import read_metadata
from unetgen.outputs.exports.program import (
    compute_relative_error,
    compute_rounding_error,
    make_example_input,
)
from unetgen.outputs.exports.sizes import iter_candidates
from unetgen.outputs.source.file import generate_source

Run = Callable[[Tensor], Any]


def main() -> None:
    """Print one row for each network."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.programs", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--specs", nargs="+", default=list_shipped_specs(), metavar="SPEC")
    parser.add_argument("--weights", nargs="+", choices=["first", "normalised"], default=["first"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # internal warnings of torch's exporter
    table = Table("network", "weights", "source", "pt2", "ONNX", "rounding", "largest", "sizes", first=30)
    for spec in arguments.specs:
        for weights in arguments.weights:
            print_row(table, spec, weights)


def print_row(table: Table, spec: str, weights: str) -> None:
    """Print the errors of a network's source and programs."""
    model = unetgen.build(spec, seed=0).eval()
    if weights == "normalised":
        normalize_running_statistics(model, next(iter_candidates(model.graph, None)).verification_sizes[-1])
    with tempfile.TemporaryDirectory() as folder:
        pt2.write(model, Path(folder, "net.pt2"))
        onnx.write(model, Path(folder, "net.onnx"))
        description = read_metadata(Path(folder, "net.pt2"))["unetgen.sizes"]
        candidates = iter_candidates(model.graph, None)
        sizes = next(c.verification_sizes for c in candidates if c.description == description)
        program = torch.export.load(Path(folder, "net.pt2")).module()
        runs = [build_from_source(model), program, make_onnxruntime_run(Path(folder, "net.onnx"))]
        errors = [f"{max_relative_error(model, run, sizes):.0e}" for run in runs]
    rounding = f"{compute_rounding_error(model, sizes):.0e}"
    table.print_row(spec, weights, *errors, rounding, f"{largest_output(model, sizes):.2g}", description)


def normalize_running_statistics(model: UNet, size: tuple[int, ...]) -> None:
    """Set the running statistics of norms to those of noise: with a momentum of 1 they are those of the last batch."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(make_example_input(model, size, batch=2))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def build_from_source(model: UNet) -> Run:
    """Build the network from its exported source, with the same weights."""
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(generate_source(model.spec, model.graph), namespace)  # noqa: S102  # our own generated code
    network = namespace["UNet"]().eval()
    network.load_state_dict(model.state_dict())
    return network


def make_onnxruntime_run(path: Path) -> Run:
    """Return a function that runs a program in onnxruntime, with the same number of threads as torch."""
    import onnxruntime  # noqa: PLC0415  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(y) for y in session.run(None, {"image": x.numpy()})]


def max_relative_error(model: UNet, run: Run, sizes: Sequence[tuple[int, ...]]) -> float:
    """Return the largest difference of any output, relative to the largest value."""
    with torch.no_grad():
        pairs = [
            zip(flatten_outputs(model(x)), flatten_outputs(run(x)), strict=True)
            for x in (make_example_input(model, size) for size in sizes)
        ]
    return max(compute_relative_error(theirs, ours) for pair in pairs for ours, theirs in pair)


def largest_output(model: UNet, sizes: Sequence[tuple[int, ...]]) -> float:
    """Return the largest absolute output over all sizes."""
    with torch.no_grad():
        return max(
            float(y.abs().max()) for size in sizes for y in flatten_outputs(model(make_example_input(model, size)))
        )


if __name__ == "__main__":
    main()
