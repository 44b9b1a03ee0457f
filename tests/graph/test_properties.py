"""What must hold for every network: what the graph says is what torch does, and what is written is what is read."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import unetgen
from support import spec_strategies as strategies
from unetgen.analysis.cost import count_parameters, total_cost
from unetgen.analysis.memory import estimate_memory
from unetgen.analysis.receptive_field import input_window
from unetgen.config.overlay import compute_minimal_overlay, merge
from unetgen.config.part_field import ValidationContext, validate_part
from unetgen.config.registry.part import Part
from unetgen.config.spec import Skip, Spec
from unetgen.config.yaml.tree import from_data
from unetgen.config.yaml.writer import dump_yaml
from unetgen.errors import SizeError, SpecError
from unetgen.graph.fitting_sizes import FittingSizes
from unetgen.graph.from_spec import build_graph
from unetgen.graph.graph import Graph, NodeSizeError
from unetgen.graph.node import Node
from unetgen.graph.ops import (
    AdaptiveAvgPooling,
    Add,
    AvgPooling,
    BroadcastMultiply,
    Convolution,
    CropTo,
    Maximum,
    MaxPooling,
    Multiply,
    Normalization,
    Op,
    PadTo,
)
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import accepts_size, smallest_fitting_size
from unetgen.network.scope import Scope
from unetgen.network.unet import UNet, flatten_outputs

pytestmark = pytest.mark.usefixtures("single_torch_thread")

# The same specs in every run and on every machine; nothing is kept between runs.
# How many times as many examples: UNETGEN_TEST_EFFORT=10 for an hour's search.
EFFORT = int(os.environ.get("UNETGEN_TEST_EFFORT", "1"))

REPEATABLE = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
AFFORDABLE_MACS = 30_000_000
AFFORDABLE_PIXELS = 100_000


def drawn(data: strategies.Data) -> tuple[Spec, Graph]:
    """A random spec with its graph; one whose parts do not go together is left out."""
    try:
        spec = unetgen.load_spec(data)
        return spec, build_graph(spec)
    except SpecError:
        reject()


def some_size(data: st.DataObject, graph: Graph) -> Size:
    """A size that fits, where there is one that torch runs in no time; else, and at times, any size."""
    if data.draw(st.integers(0, 3), label="fitting"):
        steps = data.draw(st.integers(0, 2), label="steps above the smallest")
        size = [_counted(fit, steps) for fit in graph.fits]
        if all(size) and prod(size) <= AFFORDABLE_PIXELS:
            return tuple(size)
    return tuple(data.draw(st.integers(1, 40 if graph.dims < 3 else 20), label="pixels") for _ in range(graph.dims))


def _counted(fit: FittingSizes, steps: int) -> int:
    """The fitting size so many steps above the smallest, or the last before that; 0 where none fits."""
    size = fit.smallest or 0
    for _ in range(steps):
        size = fit.smallest_above(size) or size
    return size


def picture(graph: Graph, size: Size, batch: int = 1, **options: Any) -> Tensor:
    """A random input, always the same."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, graph.in_channels, *size)
    return torch.randn(shape, generator=generator, **options)


def layers_of(model: nn.Module, graph: Graph) -> Iterator[tuple[list[Node], nn.Module]]:
    """Every layer with the nodes that it runs, in their order."""
    nodes: dict[str, list[Node]] = {}
    for node in graph.nodes[1:]:
        nodes.setdefault(node.layer_path, []).append(node)
    return ((found, model.get_submodule(path)) for path, found in nodes.items())


@contextmanager
def hooked(model: nn.Module, graph: Graph, seen: Any) -> Iterator[None]:
    """Calls ``seen(node, input sizes, output)`` for each layer that runs; the output is None before it ran."""
    handles = []
    for nodes, module in layers_of(model, graph):
        here, there = iter(nodes), iter(nodes)
        handles.append(module.register_forward_pre_hook(lambda _, given, n=here: seen(next(n), _sizes(given), None)))
        handles.append(module.register_forward_hook(lambda _, given, made, n=there: seen(next(n), _sizes(given), made)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _sizes(maps: Sequence[Tensor]) -> list[Size]:
    return [tuple(given.shape[2:]) for given in maps]


# What the graph says, and what torch does


@settings(REPEATABLE, max_examples=120 * EFFORT)
@given(strategies.specs(), st.data())
def test_torch_does_what_the_graph_says(described: strategies.Data, data: st.DataObject) -> None:
    """Shapes, parameters and multiply-adds are torch's own where a size fits; where it does not, torch objects too."""
    spec, graph = drawn(described)
    size = some_size(data, graph)
    if accepts_size(graph, size):
        _check_fitting(spec, graph, size)
    else:
        _check_misfit(spec, graph, size)


def _check_fitting(spec: Spec, graph: Graph, size: Size) -> None:
    sizes = graph.sizes(size)
    cost = total_cost(graph, sizes)
    # Shapes and counts of a large network are torch's on the meta device too, where nothing is computed.
    device = "cpu" if cost.macs <= AFFORDABLE_MACS else "meta"
    model = unetgen.build(spec, seed=0, device=device).eval()
    shapes, losses = {}, []

    def seen(node: Node, given: list[Size], made: Tensor | None) -> None:
        if made is None:
            losses.extend([node.path] if loses(node.op, given) else [])
        else:
            shapes[node.path] = tuple(made.shape)

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), hooked(model, graph, seen), counter:
        output = model(picture(graph, size).to(device))
    expected = [(1, n.channels, *(() if n.op.has_no_spatial_axes else sizes[n.index])) for n in graph.nodes]
    assert shapes == {node.path: expected[node.index] for node in graph.nodes[1:]}
    assert [tuple(made.shape) for made in flatten_outputs(output)] == [expected[index] for index in graph.output_nodes]
    assert losses == []
    assert counter.get_total_flops() == cost.flops
    _check_parameters(model, graph, cost.params)


def _check_parameters(model: nn.Module, graph: Graph, counted: int) -> None:
    given = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    assert given == {name: parameter.shape for name, parameter in graph.parameters.items()}
    assert given.keys() <= model.state_dict().keys()
    assert sum(tensor.numel() for tensor in model.parameters()) == count_parameters(graph) == counted


def _check_misfit(spec: Spec, graph: Graph, size: Size) -> None:
    model = unetgen.build(spec, seed=0).eval()
    x = picture(graph, size)
    with torch.no_grad(), pytest.raises(SizeError) as caught:
        model(x)
    assert caught.value.problems
    assert torch_objects(model, graph, x)


def torch_objects(model: UNet, graph: Graph, x: Tensor) -> bool:
    """Whether torch refuses the input when nobody checks its size, or loses pixels that the spec does not give up."""
    losses = []
    try:
        with torch.no_grad(), hooked(model, graph, lambda node, given, _: losses.append(loses(node.op, given))):
            Scope.forward(model, x)
    except (RuntimeError, ValueError, IndexError):
        return True
    return any(losses)


def loses(op: Op, given: Sequence[Size]) -> bool:
    """Whether an op, given maps of these sizes, drops pixels or spreads them in silence.

    Norms that torch only refuses in training, or for one sample, count as well.
    """
    if isinstance(op, (Convolution, MaxPooling, AvgPooling)):
        return op.rounding == "exact" and any(_left_over(op, axis, n) for axis, n in enumerate(given[0]))
    if isinstance(op, (Add, Multiply, Maximum)) or (isinstance(op, BroadcastMultiply) and op.by == "pixels"):
        return len(set(given)) > 1
    if isinstance(op, AdaptiveAvgPooling):
        return any(n < bins for n, bins in zip(given[0], op.bins, strict=True))
    if isinstance(op, (CropTo, PadTo)):
        small, large = given if isinstance(op, PadTo) else given[::-1]
        return any(n > m for n, m in zip(small, large, strict=True))
    return isinstance(op, Normalization) and op.min_elements > 1 and prod(given[0]) == 1


def _left_over(op: Convolution | MaxPooling | AvgPooling, axis: int, size: int) -> bool:
    """Whether the last window ends before the last pixel, or a padded axis is not divided exactly."""
    dilation, padding = op.dilation[axis] if isinstance(op, Convolution) else 1, op.padding[axis]
    extent, stride = dilation * (op.kernel[axis] - 1) + 1, op.stride[axis]
    divided = padding > 0 or extent < stride
    return bool(size % stride if divided else (size - extent) % stride)


# Which sizes fit


@settings(REPEATABLE, max_examples=50 * EFFORT)
@given(strategies.specs())
def test_the_fitting_sizes_are_those_that_run(described: strategies.Data) -> None:
    """The closed form of the fitting sizes agrees with trying every size, and so do its outputs and neighbours."""
    _, graph = drawn(described)
    for axis, fit in enumerate(graph.fits):
        outputs = {n: made for n in range(1, 101) if (made := _output(graph, axis, n)) is not None}
        assert {n: fit.output_size(n) for n in range(1, 101) if n in fit} == outputs
        assert fit.smallest == min(outputs, default=fit.smallest if (fit.smallest or 101) > 100 else None)
        for n in range(1, 101):
            assert fit.largest_below(n) == max((m for m in outputs if m < n), default=None)
            above = fit.smallest_above(n)
            assert above == min((m for m in outputs if m > n), default=above if (above or 101) > 100 else 0)


def _output(graph: Graph, axis: int, size: int) -> int | None:
    try:
        return graph.sizes_along(axis, size)[graph.output]
    except NodeSizeError:
        return None


# What is written, and what is read


@settings(REPEATABLE, max_examples=80 * EFFORT)
@given(strategies.specs(), st.text(max_size=12), st.text(max_size=40))
def test_a_resolved_spec_reads_back_as_itself(described: strategies.Data, name: str, description: str) -> None:
    """Resolving is idempotent through YAML and JSON; the hash and the graph stay the same."""
    spec, graph = drawn({**described, "name": name, "description": description})
    resolved = spec.resolved()
    from_yaml = unetgen.load_spec(dump_yaml(resolved))
    from_json = unetgen.load_spec(json.loads(json.dumps(resolved)))
    for again in (from_yaml, from_json):
        assert again.resolved() == resolved
        assert again.hash == spec.hash
        assert build_graph(again).digest == graph.digest
    assert dump_yaml(from_yaml.resolved()) == dump_yaml(resolved)


@settings(REPEATABLE, max_examples=50 * EFFORT)
@given(strategies.specs(), st.data())
def test_a_difference_laid_over_its_base_gives_the_value(described: strategies.Data, data: st.DataObject) -> None:
    """``difference`` and ``merge`` are inverse on any two resolved parts of a slot, from one spec or two."""
    spec, _ = drawn(described)
    other, _ = drawn(data.draw(strategies.specs(dims=spec.dims)))
    for slot in ("block", "downsample", "upsample", "skip"):
        parts = [part.describe() for one in (spec, other) for place, part in one.places() if place[2] == slot]
        for base, value in zip(parts, parts[1:] + parts[:1], strict=True):
            laid = merge(from_data(base, ""), from_data(compute_minimal_overlay(base, value), ""), slot).to_data()
            assert _meaning(laid, slot, spec.dims) == _meaning(value, slot, spec.dims)


def _meaning(value: Any, slot: str, dims: int) -> Any:
    context = ValidationContext(unetgen.load_registry(), dims)
    if slot != "skip":
        return validate_part(slot, value, context)
    told = value if isinstance(value, dict) else {"fusion": value}
    usual = {"align": "crop", "fusion": "concat", "gate": "none", "transform": "none"}
    parts: dict[str, Part] = {
        key: validate_part(key, told.get(key, default), context) for key, default in usual.items()
    }
    words = {"tap": told.get("tap", "after_block"), "place": told.get("place", "after_upsample")}
    return Skip(**words, **parts).describe()


# What an output pixel sees


@settings(REPEATABLE, max_examples=80 * EFFORT)
@given(strategies.windowed_specs(), st.data())
def test_no_pixel_outside_the_input_window_matters(described: strategies.Data, data: st.DataObject) -> None:
    """The gradient of one output pixel is zero outside its input window."""
    spec, graph = drawn(described)
    assert not any(node.op.is_global for node in graph.nodes)
    size = _small(graph)
    sizes = graph.sizes(size)
    pixel = tuple(data.draw(st.integers(0, n - 1), label="pixel") for n in sizes[graph.output])
    for axis, seen in enumerate(_seen(spec, graph, size, pixel)):
        low, high = input_window(graph, axis, (pixel[axis], pixel[axis]), sizes)
        assert all(low <= n <= high for n in seen), (axis, seen, (low, high))


@settings(REPEATABLE, max_examples=40 * EFFORT)
@given(strategies.plain_specs(), st.data())
def test_an_input_window_is_no_larger_than_it_must_be(described: strategies.Data, data: st.DataObject) -> None:
    """In networks of convolutions and means alone the gradient reaches both ends of the window on every axis."""
    spec, graph = drawn(described)
    size = _small(graph)
    sizes = graph.sizes(size)
    pixel = tuple(data.draw(st.integers(0, n - 1), label="pixel") for n in sizes[graph.output])
    for axis, seen in enumerate(_seen(spec, graph, size, pixel)):
        window = input_window(graph, axis, (pixel[axis], pixel[axis]), sizes)
        assert (min(seen), max(seen)) == window


def _small(graph: Graph) -> Size:
    size = smallest_fitting_size(graph, at_least=8)
    assume(size is not None and prod(size) <= 10_000)
    assert size is not None
    return size


def _seen(spec: Spec, graph: Graph, size: Size, pixel: Size) -> list[list[int]]:
    """For each axis the positions at which the image has a share in an output pixel."""
    model = unetgen.build(spec, seed=0).double().eval()
    x = picture(graph, size, dtype=torch.float64).requires_grad_()
    model(x)[(0, slice(None), *pixel)].sum().backward()
    assert x.grad is not None
    matters = (x.grad[0] != 0).any(dim=0)
    return [sorted(set(found.tolist())) for found in matters.nonzero().unbind(1)]


# What runs in place


@settings(REPEATABLE, max_examples=50 * EFFORT)
@given(strategies.specs())
def test_running_in_place_changes_no_gradient(described: strategies.Data) -> None:
    """Training gives the same output and gradients whether activations write over their input or not."""
    spec, graph = drawn(described)
    size = smallest_fitting_size(graph)
    assume(size is not None and total_cost(graph, graph.sizes(size)).macs <= AFFORDABLE_MACS)
    assert size is not None
    model = unetgen.build(spec, seed=0).double().train()
    apart = copy.deepcopy(model)
    for module in apart.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    for ours, theirs in zip(_trained(model, graph, size), _trained(apart, graph, size), strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


def _trained(model: UNet, graph: Graph, size: Size) -> list[Tensor]:
    """The output and all gradients of one training step; dropouts drop the same values each time."""
    torch.manual_seed(0)
    x = picture(graph, size, batch=2, dtype=torch.float64).requires_grad_()
    outputs = flatten_outputs(model(x))
    sum(output.square().mean() for output in outputs).backward()
    grads = [tensor.grad for tensor in (x, *model.parameters())]
    return [*(output.detach() for output in outputs), *(grad for grad in grads if grad is not None)]


# What is kept


@settings(REPEATABLE, max_examples=40 * EFFORT)
@given(strategies.specs())
def test_the_training_estimate_is_near_what_autograd_keeps(described: strategies.Data) -> None:
    """The estimate is no guess: it stays within a third of the bytes that torch's autograd holds on to."""
    spec, graph = drawn(described)
    size = smallest_fitting_size(graph, at_least=8)
    assume(size is not None and total_cost(graph, graph.sizes(size)).macs <= AFFORDABLE_MACS)
    assert size is not None
    model = unetgen.build(spec, seed=0).train()
    kept = _kept_bytes(model, picture(graph, size, batch=2))
    estimate = estimate_memory(graph, graph.sizes(size), batch_size=2).training
    assert kept / 1.33 <= estimate <= kept * 1.33


def _kept_bytes(model: nn.Module, x: Tensor) -> int:
    """The bytes of maps that a forward pass leaves behind for the backward pass, and of its output."""
    own = {_storage(tensor).data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}
    held: list[Tensor] = []  # or a freed map's address would be given to the next

    def keep(tensor: Tensor) -> Tensor:
        held.append(tensor)
        kept[_storage(tensor).data_ptr()] = _storage(tensor).nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        for output in flatten_outputs(model(x)):
            keep(output)
    return sum(count for address, count in kept.items() if address not in own)


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
