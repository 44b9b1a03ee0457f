"""Program: a network as torch.export sees it, tried out before it is handed on."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from unetgen.errors import FormatError
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes
from unetgen.network.unet import UNet, flatten_outputs
from unetgen.outputs.exports.sizes import ExportSizes, iter_candidates

# How far a program may be from the network, of the largest output.
TOLERANCE = 1e-4

# ... or of the network's own rounding, where that is larger.
ROUNDING_FACTOR = 4.0


def export_verified(model: UNet, fixed_size: Size | None) -> tuple[ExportedProgram, ExportSizes, float]:
    """The program of a network for as many sizes as torch.export can be told of, and how far it is from the network.

    Raises FormatError where there is none, and SizeError where the one size does not fit.
    """
    if fixed_size is not None:
        check_sizes(model.graph, fixed_size)
    reason: Exception | None = None
    for sizes in iter_candidates(model.graph, fixed_size):
        try:
            program = export_program(model, sizes)
            found = compute_max_relative_error(model, program.module(), sizes.verification_sizes)
        except (RuntimeError, ValueError, AssertionError, torch._dynamo.exc.TorchDynamoException) as error:
            reason = error  # some sizes cannot be said, or need other steps; fewer may do
        else:
            return program, sizes, found
    first = str(reason).strip().splitlines()[0]
    raise FormatError(f"torch.export cannot take this network: {first}; export it as python") from reason


def export_program(model: UNet, sizes: ExportSizes) -> ExportedProgram:
    """The program for these sizes and any batch."""
    x = make_example_input(model, sizes.example, batch=2)
    moving = {axis: dim for axis, dim in enumerate(sizes.dims, start=2) if dim is not None}
    with export_mode(model):
        return torch.export.export(model, (x,), dynamic_shapes=({0: Dim("batch"), **moving},))


def add_size_assertions(program: ExportedProgram, sizes: ExportSizes) -> None:
    """Has a program refuse sizes that it was not made for, in our words.

    What torch checks by itself comes before anything in the program, in words of its own, so those checks of sizes that
    ours say too are taken out: guards met while tracing, and least sizes. An axis of one size keeps torch's.
    """
    if not sizes.residue_classes:
        return
    program._guards_code = []
    for symbol, known in list(program.range_constraints.items()):
        program.range_constraints[symbol] = type(known)(min(known.lower, 2), known.upper)
    graph = program.graph
    image = next(node for node in graph.nodes if node.name == program.graph_signature.user_inputs[0])
    shape = image.meta["val"].shape
    first = next(node for node in graph.nodes if node.op != "placeholder")

    def call(function: Any, *arguments: Any, value: Any = None) -> Any:
        node = graph.call_function(function, arguments)
        node.meta["val"] = value
        return node

    with graph.inserting_before(first):
        for axis, (least, step) in enumerate(sizes.residue_classes, start=2):
            size = call(torch.ops.aten.sym_size.int, image, axis, value=shape[axis])
            rest = call(operator.mod, size, step, value=shape[axis] % step)
            fits = call(operator.eq, rest, least % step, value=shape[axis] % step == least % step)
            large = call(operator.ge, size, least, value=shape[axis] >= least)
            for condition in (fits, large):
                call(
                    torch.ops.aten._assert_scalar.default,
                    condition,
                    f"the image does not fit; sizes are {sizes.description}",
                )
    program.graph_module.recompile()


def make_example_input(model: UNet, size: Size, batch: int = 1) -> Tensor:
    """Noise, the same every time."""
    parameter = next(model.parameters())
    made = torch.randn(batch, model.graph.in_channels, *size, generator=torch.Generator().manual_seed(0))
    return made.to(parameter.device, parameter.dtype)


def compute_max_relative_error(model: UNet, run: Callable[[Tensor], Any], sizes: Sequence[Size]) -> float:
    """The largest difference between the network and a program of it, of the largest output. Raises ValueError."""
    worst = 0.0
    with export_mode(model), torch.no_grad():
        for size in sizes:
            x = make_example_input(model, size)
            for ours, theirs in zip(flatten_outputs(model(x)), flatten_outputs(run(x)), strict=True):
                if ours.shape != theirs.shape:
                    raise ValueError(f"for {tuple(size)} it makes {tuple(theirs.shape)}, not {tuple(ours.shape)}")
                worst = max(worst, compute_relative_error(theirs.to(ours.device), ours))
        if not worst <= TOLERANCE and worst > ROUNDING_FACTOR * compute_rounding_error(model, sizes):
            raise ValueError(f"it is {worst:.2g} away from the network, of the largest output")
    return worst


def compute_relative_error(actual: Tensor, expected: Tensor) -> float:
    """How far a map is from another, of that one's largest value."""
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def compute_rounding_error(model: UNet, sizes: Sequence[Size]) -> float:
    """How far the network is from itself in double precision: no program of it can be asked to be much nearer."""
    exact = deepcopy(model).double()
    images = [make_example_input(model, size) for size in sizes]
    pairs = [zip(flatten_outputs(model(x)), flatten_outputs(exact(x.double())), strict=True) for x in images]
    return max(compute_relative_error(ours.double(), truth) for pair in pairs for ours, truth in pair)


@contextmanager
def export_mode(model: UNet) -> Iterator[None]:
    """The network in evaluation for a while; torch's exporters warn of their own insides, which nobody can change."""
    training = model.training
    model.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        model.train(training)
