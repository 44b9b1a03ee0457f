"""Every shipped network at full width against its source, its .pt2 and its ONNX in onnxruntime, at three sizes each.

    python -m benchmarks.programs [--specs unet_paper u2net] [--weights first normalised]

The largest difference of any output from the network's, of the largest value: the figures of docs/export.md.
``rounding`` is how far the network itself, in single precision, is from its own result in double precision: no program
can be asked to be much nearer. ``largest`` is the largest output. With ``normalised`` the running statistics of batch
norms are those of noise, as training leaves them those of its images; at first they are means of 0 and variances of 1.
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
    """Prints one row for each network."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.programs", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--specs", nargs="+", default=list_shipped_specs(), metavar="SPEC")
    parser.add_argument("--weights", nargs="+", choices=["first", "normalised"], default=["first"])
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")  # of torch's exporter, of its own insides
    table = Table("network", "weights", "source", "pt2", "ONNX", "rounding", "largest", "sizes", first=30)
    for spec in chosen.specs:
        for weights in chosen.weights:
            print_row(table, spec, weights)


def print_row(table: Table, spec: str, weights: str) -> None:
    """One network against all that is made of it."""
    model = unetgen.build(spec, seed=0).eval()
    if weights == "normalised":
        normalize_running_statistics(model, next(iter_candidates(model.graph, None)).verification_sizes[-1])
    with tempfile.TemporaryDirectory() as folder:
        pt2.write(model, Path(folder, "net.pt2"))
        onnx.write(model, Path(folder, "net.onnx"))
        told = read_metadata(Path(folder, "net.pt2"))["unetgen.sizes"]
        sizes = next(
            found.verification_sizes for found in iter_candidates(model.graph, None) if found.description == told
        )
        of_torch = torch.export.load(Path(folder, "net.pt2")).module()
        runs = [build_from_source(model), of_torch, make_onnxruntime_run(Path(folder, "net.onnx"))]
        found = [f"{max_relative_error(model, run, sizes):.0e}" for run in runs]
    own = f"{compute_rounding_error(model, sizes):.0e}"
    table.print_row(spec, weights, *found, own, f"{largest_output(model, sizes):.2g}", told)


def normalize_running_statistics(model: UNet, size: tuple[int, ...]) -> None:
    """Gives norms the statistics of noise: with a momentum of one they keep what they saw last."""
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
    """The network of the file of source, with the same weights."""
    space: dict[str, Any] = {"__name__": "written"}
    exec(generate_source(model.spec, model.graph), space)  # noqa: S102  # the file's own code
    made = space["UNet"]().eval()
    made.load_state_dict(model.state_dict())
    return made


def make_onnxruntime_run(path: Path) -> Run:
    """The program in onnxruntime, on as many threads as torch."""
    import onnxruntime  # noqa: PLC0415  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(y) for y in session.run(None, {"image": x.numpy()})]


def max_relative_error(model: UNet, run: Run, sizes: Sequence[tuple[int, ...]]) -> float:
    """The largest difference of any output, of the largest value."""
    with torch.no_grad():
        pairs = [
            zip(flatten_outputs(model(x)), flatten_outputs(run(x)), strict=True)
            for x in (make_example_input(model, size) for size in sizes)
        ]
    return max(compute_relative_error(theirs, ours) for pair in pairs for ours, theirs in pair)


def largest_output(model: UNet, sizes: Sequence[tuple[int, ...]]) -> float:
    """The largest output of all sizes."""
    with torch.no_grad():
        return max(
            float(y.abs().max()) for size in sizes for y in flatten_outputs(model(make_example_input(model, size)))
        )


if __name__ == "__main__":
    main()
