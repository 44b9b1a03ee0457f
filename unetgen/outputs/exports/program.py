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
from unetgen.graph.size import checked_sizes
from unetgen.network.from_graph import UNet
from unetgen.outputs.exports.sizes import Sizes, offers

# How far a program may be from the network, of the largest output.
TOLERANCE = 1e-4

# ... or of the network's own rounding, where that is larger.
LOOSE = 4.0


def program_of(model: UNet, fixed: Size | None) -> tuple[ExportedProgram, Sizes, float]:
    """The program of a network for as many sizes as torch.export can be told of, and how far it is from the network.

    Raises FormatError where there is none, and SizeError where the one size does not fit.
    """
    if fixed is not None:
        checked_sizes(model.graph, fixed)
    reason: Exception | None = None
    for sizes in offers(model.graph, fixed):
        try:
            program = exported(model, sizes)
            found = difference(model, program.module(), sizes.tried)
        except (RuntimeError, ValueError, AssertionError, torch._dynamo.exc.TorchDynamoException) as error:
            reason = error  # some sizes cannot be said, or need other steps; fewer may do
        else:
            return program, sizes, found
    first = str(reason).strip().splitlines()[0]
    raise FormatError(f"torch.export cannot take this network: {first}; export it as python") from reason


def exported(model: UNet, sizes: Sizes) -> ExportedProgram:
    """The program for these sizes and any batch."""
    x = example(model, sizes.example, batch=2)
    moving = {axis: dim for axis, dim in enumerate(sizes.dims, start=2) if dim is not None}
    with quiet(model):
        return torch.export.export(model, (x,), dynamic_shapes=({0: Dim("batch"), **moving},))


def refusing(program: ExportedProgram, sizes: Sizes) -> None:
    """Has a program refuse sizes that it was not made for, in our words.

    What torch checks by itself comes before anything in the program, in words of its own, so those checks of sizes that
    ours say too are taken out: guards met while tracing, and least sizes. An axis of one size keeps torch's.
    """
    if not sizes.classes:
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
        for axis, (least, step) in enumerate(sizes.classes, start=2):
            size = call(torch.ops.aten.sym_size.int, image, axis, value=shape[axis])
            rest = call(operator.mod, size, step, value=shape[axis] % step)
            fits = call(operator.eq, rest, least % step, value=shape[axis] % step == least % step)
            large = call(operator.ge, size, least, value=shape[axis] >= least)
            for condition in (fits, large):
                call(
                    torch.ops.aten._assert_scalar.default, condition, f"the image does not fit; sizes are {sizes.told}"
                )
    program.graph_module.recompile()


def example(model: UNet, size: Size, batch: int = 1) -> Tensor:
    """Noise, the same every time."""
    parameter = next(model.parameters())
    made = torch.randn(batch, model.graph.in_channels, *size, generator=torch.Generator().manual_seed(0))
    return made.to(parameter.device, parameter.dtype)


def difference(model: UNet, run: Callable[[Tensor], Any], sizes: Sequence[Size]) -> float:
    """The largest difference between the network and a program of it, of the largest output. Raises ValueError."""
    worst = 0.0
    with quiet(model), torch.no_grad():
        for size in sizes:
            x = example(model, size)
            for ours, theirs in zip(flat(model(x)), flat(run(x)), strict=True):
                if ours.shape != theirs.shape:
                    raise ValueError(f"for {tuple(size)} it makes {tuple(theirs.shape)}, not {tuple(ours.shape)}")
                worst = max(worst, apart(theirs.to(ours.device), ours))
        if not worst <= TOLERANCE and worst > LOOSE * rounding(model, sizes):
            raise ValueError(f"it is {worst:.2g} away from the network, of the largest output")
    return worst


def apart(one: Tensor, other: Tensor) -> float:
    """How far a map is from another, of that one's largest value."""
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-12))


def rounding(model: UNet, sizes: Sequence[Size]) -> float:
    """How far the network is from itself in double precision: no program of it can be asked to be much nearer."""
    exact = deepcopy(model).double()
    images = [example(model, size) for size in sizes]
    pairs = [zip(flat(model(x)), flat(exact(x.double())), strict=True) for x in images]
    return max(apart(ours.double(), truth) for pair in pairs for ours, truth in pair)


def flat(result: Any) -> list[Tensor]:
    """Every map of a result, in order."""
    if isinstance(result, Tensor):
        return [result]
    values = result.values() if isinstance(result, dict) else result
    return [found for value in values for found in flat(value)]


@contextmanager
def quiet(model: UNet) -> Iterator[None]:
    """The network in evaluation for a while; torch's exporters warn of their own insides, which nobody can change."""
    training = model.training
    model.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        model.train(training)
