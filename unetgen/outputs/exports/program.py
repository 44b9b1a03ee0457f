"""Export a network with torch.export and compare the program with the network.

The exported program is shared by all writers: export once, then pass it to ``pt2.write``, ``onnx.write`` and
``aoti.write``.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from unetgen.errors import FormatError
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes
from unetgen.network.unet import UNet, flatten_outputs
from unetgen.outputs.exports.sizes import ExportSizes, format_size_error, iter_candidates

# The largest error of a program, relative to the largest output.
TOLERANCE = 1e-4

# ... or as a multiple of the network's own rounding error, if that is larger.
ROUNDING_FACTOR = 4.0


@dataclass(frozen=True, slots=True)
class VerifiedProgram:
    """A program of torch.export that was compared with its network."""

    program: ExportedProgram
    sizes: ExportSizes
    max_relative_error: float
    """The largest difference from the network's outputs, relative to the largest output."""


def export_verified(model: UNet, input_size: Size | None = None) -> VerifiedProgram:
    """Export a network for as many input sizes as torch.export can express, and compare it with the network.

    Args:
        model: The network.
        input_size: The only size to export for, without batch and channels (default: all sizes that can be expressed).

    Returns:
        The program, which all writers accept as ``exported``.

    Raises:
        FormatError: torch.export fails, or the program differs from the network.
        SizeError: The input size does not fit.
    """
    if input_size is not None:
        check_sizes(model.graph, input_size)
    reason: Exception | None = None
    for sizes in iter_candidates(model.graph, input_size):
        try:
            program = export_program(model, sizes)
            error = compute_max_relative_error(model, program.module(), sizes.verification_sizes)
        except (RuntimeError, ValueError, AssertionError, torch._dynamo.exc.TorchDynamoException) as failure:
            reason = failure  # torch.export may still be able to express the next, smaller set of sizes
        else:
            return VerifiedProgram(program, sizes, error)
    first = str(reason).strip().splitlines()[0]
    raise FormatError(f"torch.export cannot export this network: {first}; export it as python") from reason


def export_program(model: UNet, sizes: ExportSizes) -> ExportedProgram:
    """Export a network for these sizes and any batch size."""
    x = make_example_input(model, sizes.example, batch=2)
    dynamic = {axis: dim for axis, dim in enumerate(sizes.dims, start=2) if dim is not None}
    with export_mode(model):
        return torch.export.export(model, (x,), dynamic_shapes=({0: Dim("batch"), **dynamic},))


def copy_program(program: ExportedProgram) -> ExportedProgram:
    """Copy a program but not its tensors, so that one can be changed without the other."""
    tensors = [*program.state_dict.values(), *program.constants.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # copying a program uses deprecated classes of torch
        return deepcopy(program, {id(tensor): tensor for tensor in tensors})


def add_size_assertions(program: ExportedProgram, sizes: ExportSizes) -> ExportedProgram:
    """Return a copy of a program that rejects other sizes with a message of unetgen.

    torch's own checks run before the program and have other messages. Those that the added assertions cover are
    removed: guards recorded during tracing, and minimum sizes. Fixed axes keep torch's checks.

    Args:
        program: The program; it is not changed.
        sizes: The sizes that the program was exported for.

    Returns:
        A program that shares the tensors of the original.
    """
    program = copy_program(program)
    if not sizes.residue_classes:
        return program
    program._guards_code = []
    for symbol, known in list(program.range_constraints.items()):
        program.range_constraints[symbol] = type(known)(min(known.lower, 2), known.upper)
    graph = program.graph
    image = next(node for node in graph.nodes if node.name == program.graph_signature.user_inputs[0])
    shape = image.meta["val"].shape
    first_call = next(node for node in graph.nodes if node.op != "placeholder")

    def call(function: Any, *arguments: Any, value: Any = None) -> Any:
        node = graph.call_function(function, arguments)
        node.meta["val"] = value
        return node

    with graph.inserting_before(first_call):
        for axis, (least, step) in enumerate(sizes.residue_classes, start=2):
            size = call(torch.ops.aten.sym_size.int, image, axis, value=shape[axis])
            rest = call(operator.mod, size, step, value=shape[axis] % step)
            fits = call(operator.eq, rest, least % step, value=shape[axis] % step == least % step)
            large = call(operator.ge, size, least, value=shape[axis] >= least)
            for condition in (fits, large):
                call(
                    torch.ops.aten._assert_scalar.default,
                    condition,
                    format_size_error(sizes),
                )
    program.graph_module.recompile()
    return program


def make_example_input(model: UNet, size: Size, batch: int = 1) -> Tensor:
    """Return reproducible noise of shape ``(batch, in_channels, *size)``."""
    parameter = next(model.parameters())
    noise = torch.randn(batch, model.graph.in_channels, *size, generator=torch.Generator().manual_seed(0))
    return noise.to(parameter.device, parameter.dtype)


def compute_max_relative_error(model: UNet, run: Callable[[Tensor], Any], sizes: Sequence[Size]) -> float:
    """Compare a program with its network.

    Args:
        model: The network.
        run: The program, called with an image.
        sizes: The input sizes to compare at.

    Returns:
        The largest difference of any output, relative to its largest value.

    Raises:
        ValueError: A shape differs, or the error exceeds both tolerances.
    """
    max_error = 0.0
    with export_mode(model), torch.no_grad():
        for size in sizes:
            x = make_example_input(model, size)
            for ours, theirs in zip(flatten_outputs(model(x)), flatten_outputs(run(x)), strict=True):
                if ours.shape != theirs.shape:
                    shapes = f"{tuple(theirs.shape)}, not {tuple(ours.shape)}"
                    raise ValueError(f"for input size {tuple(size)} the program's output has shape {shapes}")
                max_error = max(max_error, compute_relative_error(theirs.to(ours.device), ours))
        if not max_error <= TOLERANCE and max_error > ROUNDING_FACTOR * compute_rounding_error(model, sizes):
            raise ValueError(f"the program differs from the network by {max_error:.2g} of the largest output")
    return max_error


def compute_relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference between two tensors, relative to the largest expected value."""
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def compute_rounding_error(model: UNet, sizes: Sequence[Size]) -> float:
    """Return the network's relative error against double precision, which no program can be expected to beat."""
    exact = deepcopy(model).double()
    images = [make_example_input(model, size) for size in sizes]
    pairs = [zip(flatten_outputs(model(x)), flatten_outputs(exact(x.double())), strict=True) for x in images]
    return max(compute_relative_error(ours.double(), truth) for pair in pairs for ours, truth in pair)


@contextmanager
def export_mode(model: UNet) -> Iterator[None]:
    """Put a network in evaluation mode and silence torch's exporters, whose warnings are about their own internals."""
    training = model.training
    model.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        model.train(training)
