"""Properties of random networks: the graph agrees with torch, and specs survive writing and reading."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import unetgen
from support import spec_strategies as strategies
from support.effort import FIXED, ROTATING, num_examples
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
from unetgen.graph.graph import Graph
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

pytestmark = [pytest.mark.usefixtures("single_torch_thread"), pytest.mark.effort]

# Half of the examples that found every known fault; the slow tier tries the other half and more.
AFFORDABLE_MACS = 30_000_000
AFFORDABLE_PIXELS = 100_000


def build_or_reject(data: strategies.Data) -> tuple[Spec, Graph]:
    """Return a spec and its graph; reject the example if the parts cannot be combined."""
    try:
        spec = unetgen.load_spec(data)
        return spec, build_graph(spec)
    except SpecError:
        reject()


def draw_input_size(data: st.DataObject, graph: Graph) -> Size:
    """Draw an input size: mostly a fitting one that is small enough to run, sometimes any size."""
    if data.draw(st.integers(0, 3), label="fitting"):
        steps = data.draw(st.integers(0, 2), label="steps above the smallest")
        size = [_nth_fitting_size(fit, steps) for fit in graph.fits]
        if all(size) and prod(size) <= AFFORDABLE_PIXELS:
            return tuple(size)
    return tuple(data.draw(st.integers(1, 40 if graph.dims < 3 else 20), label="pixels") for _ in range(graph.dims))


def _nth_fitting_size(fit: FittingSizes, steps: int) -> int:
    """Return the fitting size ``steps`` above the smallest, or the largest; 0 if no size fits."""
    size = fit.smallest or 0
    for _ in range(steps):
        size = fit.smallest_above(size) or size
    return size


def random_image(graph: Graph, size: Size, batch: int = 1, **options: Any) -> Tensor:
    """Return a random input, the same for every call."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, graph.in_channels, *size)
    return torch.randn(shape, generator=generator, **options)


def layers_with_nodes(model: nn.Module, graph: Graph) -> Iterator[tuple[list[Node], nn.Module]]:
    """Iterate over all layers with the nodes that they compute, in the order of execution."""
    nodes: dict[str, list[Node]] = {}
    for node in graph.nodes[1:]:
        nodes.setdefault(node.layer_path, []).append(node)
    return ((layer_nodes, model.get_submodule(path)) for path, layer_nodes in nodes.items())


@contextmanager
def observe_layers(model: nn.Module, graph: Graph, observer: Any) -> Iterator[None]:
    """Call ``observer(node, input sizes, output)`` before and after each layer; the output is None before."""
    handles = []
    for nodes, module in layers_with_nodes(model, graph):
        before, after = iter(nodes), iter(nodes)
        handles.append(module.register_forward_pre_hook(lambda _, x, n=before: observer(next(n), _sizes(x), None)))
        handles.append(module.register_forward_hook(lambda _, x, y, n=after: observer(next(n), _sizes(x), y)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _sizes(maps: Sequence[Tensor]) -> list[Size]:
    return [tuple(feature_map.shape[2:]) for feature_map in maps]


# The graph and torch


@settings(ROTATING, max_examples=num_examples(60))
@given(strategies.specs(), st.data())
def test_torch_does_what_the_graph_says(described: strategies.Data, data: st.DataObject) -> None:
    """Shapes, parameters and multiply-adds are those of torch if a size fits; if not, torch fails or loses_pixels pixels."""
    spec, graph = build_or_reject(described)
    size = draw_input_size(data, graph)
    if accepts_size(graph, size):
        _check_fitting(spec, graph, size)
    else:
        _check_rejected(spec, graph, size)


def _check_fitting(spec: Spec, graph: Graph, size: Size) -> None:
    sizes = graph.sizes(size)
    cost = total_cost(graph, sizes)
    # A large network runs on the meta device, where shapes and counts are the same and nothing is computed.
    device = "cpu" if cost.macs <= AFFORDABLE_MACS else "meta"
    model = unetgen.build(spec, seed=0, device=device).eval()
    shapes, losses = {}, []

    def observe(node: Node, input_sizes: list[Size], output: Tensor | None) -> None:
        if output is None:
            losses.extend([node.path] if loses_pixels(node.op, input_sizes) else [])
        else:
            shapes[node.path] = tuple(output.shape)

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), observe_layers(model, graph, observe), counter:
        outputs = flatten_outputs(model(random_image(graph, size).to(device)))
    expected = [(1, n.channels, *(() if n.op.has_no_spatial_axes else sizes[n.index])) for n in graph.nodes]
    assert shapes == {node.path: expected[node.index] for node in graph.nodes[1:]}
    assert [tuple(output.shape) for output in outputs] == [expected[index] for index in graph.output_nodes]
    assert losses == []
    assert counter.get_total_flops() == cost.flops
    _check_parameters(model, graph, cost.params)


def _check_parameters(model: nn.Module, graph: Graph, expected: int) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    assert shapes == {name: parameter.shape for name, parameter in graph.parameters.items()}
    assert shapes.keys() <= model.state_dict().keys()
    assert sum(tensor.numel() for tensor in model.parameters()) == count_parameters(graph) == expected


def _check_rejected(spec: Spec, graph: Graph, size: Size) -> None:
    model = unetgen.build(spec, seed=0).eval()
    x = random_image(graph, size)
    with torch.no_grad(), pytest.raises(SizeError) as caught:
        model(x)
    assert caught.value.problems
    assert torch_rejects_or_loses(model, graph, x)


def torch_rejects_or_loses(model: UNet, graph: Graph, x: Tensor) -> bool:
    """Return whether torch, without a size check, fails or loses_pixels pixels that the spec does not drop."""
    losses = []
    try:
        with (
            torch.no_grad(),
            observe_layers(model, graph, lambda node, sizes, _: losses.append(loses_pixels(node.op, sizes))),
        ):
            Scope.forward(model, x)
    except (RuntimeError, ValueError, IndexError):
        return True
    return any(losses)


def loses_pixels(op: Op, sizes: Sequence[Size]) -> bool:
    """Return whether an op drops or broadcasts pixels of inputs of these sizes without an error.

    Norms that torch rejects only in training, or for one sample, count as well.
    """
    if isinstance(op, (Convolution, MaxPooling, AvgPooling)):
        return op.rounding == "exact" and any(_is_inexact(op, axis, n) for axis, n in enumerate(sizes[0]))
    if isinstance(op, (Add, Multiply, Maximum)) or (isinstance(op, BroadcastMultiply) and op.by == "pixels"):
        return len(set(sizes)) > 1
    if isinstance(op, AdaptiveAvgPooling):
        return any(n < bins for n, bins in zip(sizes[0], op.bins, strict=True))
    if isinstance(op, (CropTo, PadTo)):
        small, large = sizes if isinstance(op, PadTo) else sizes[::-1]
        return any(n > m for n, m in zip(small, large, strict=True))
    return isinstance(op, Normalization) and op.min_elements > 1 and prod(sizes[0]) == 1


def _is_inexact(op: Convolution | MaxPooling | AvgPooling, axis: int, size: int) -> bool:
    """Return whether the last window ends before the last pixel, or a padded axis is not divided exactly."""
    dilation, padding = op.dilation[axis] if isinstance(op, Convolution) else 1, op.padding[axis]
    extent, stride = dilation * (op.kernel[axis] - 1) + 1, op.stride[axis]
    needs_multiple = padding > 0 or extent < stride
    return bool(size % stride if needs_multiple else (size - extent) % stride)


# Fitting sizes


@settings(ROTATING, max_examples=num_examples(25))
@given(strategies.specs())
def test_the_fitting_sizes_are_those_that_run(described: strategies.Data) -> None:
    """The closed form of the fitting sizes agrees with trying every size, and so do its outputs and neighbours."""
    _, graph = build_or_reject(described)
    for axis, fit in enumerate(graph.fits):
        outputs = {n: out for n in range(1, 101) if (out := graph.output_along(axis, n)) is not None}
        assert {n: fit.output_size(n) for n in range(1, 101) if n in fit} == outputs
        assert fit.smallest == min(outputs, default=fit.smallest if (fit.smallest or 101) > 100 else None)
        for n in range(1, 101):
            assert fit.largest_below(n) == max((m for m in outputs if m < n), default=None)
            above = fit.smallest_above(n)
            assert above == min((m for m in outputs if m > n), default=above if (above or 101) > 100 else 0)


# Writing and reading


@settings(ROTATING, max_examples=num_examples(40))
@given(strategies.specs(), st.text(max_size=12), st.text(max_size=40))
def test_a_resolved_spec_reads_back_as_itself(described: strategies.Data, name: str, description: str) -> None:
    """Resolving is idempotent through YAML and JSON; the hash and the graph stay the same."""
    spec, graph = build_or_reject({**described, "name": name, "description": description})
    resolved = spec.resolved()
    from_yaml = unetgen.load_spec(dump_yaml(resolved))
    from_json = unetgen.load_spec(json.loads(json.dumps(resolved)))
    for again in (from_yaml, from_json):
        assert again.resolved() == resolved
        assert again.hash == spec.hash
        assert build_graph(again).digest == graph.digest
    assert dump_yaml(from_yaml.resolved()) == dump_yaml(resolved)


@settings(ROTATING, max_examples=num_examples(25))
@given(strategies.specs(), st.data())
def test_a_minimal_overlay_on_its_base_gives_the_value(described: strategies.Data, data: st.DataObject) -> None:
    """``compute_minimal_overlay`` and ``merge`` are inverse for any two resolved parts of a slot."""
    spec, _ = build_or_reject(described)
    other, _ = build_or_reject(data.draw(strategies.specs(dims=spec.dims)))
    for slot in ("block", "downsample", "upsample", "skip"):
        parts = [part.describe() for one in (spec, other) for place, part in one.places() if place[2] == slot]
        for base, value in zip(parts, parts[1:] + parts[:1], strict=True):
            merged = merge(from_data(base, ""), from_data(compute_minimal_overlay(base, value), ""), slot).to_data()
            assert _parse_part(merged, slot, spec.dims) == _parse_part(value, slot, spec.dims)


def _parse_part(value: Any, slot: str, dims: int) -> Any:
    context = ValidationContext(unetgen.load_registry(), dims)
    if slot != "skip":
        return validate_part(slot, value, context)
    skip = value if isinstance(value, dict) else {"fusion": value}
    defaults = {"align": "crop", "fusion": "concat", "gate": "none", "transform": "none"}
    parts: dict[str, Part] = {
        key: validate_part(key, skip.get(key, default), context) for key, default in defaults.items()
    }
    literals = {"tap": skip.get("tap", "after_block"), "place": skip.get("place", "after_upsample")}
    return Skip(**literals, **parts).describe()


# Receptive fields


@settings(ROTATING, max_examples=num_examples(40))
@given(strategies.windowed_specs(), st.data())
def test_no_pixel_outside_the_input_window_matters(described: strategies.Data, data: st.DataObject) -> None:
    """The gradient of one output pixel is zero outside its input window."""
    spec, graph = build_or_reject(described)
    assert not any(node.op.is_global for node in graph.nodes)
    size = _small_fitting_size(graph)
    sizes = graph.sizes(size)
    pixel = tuple(data.draw(st.integers(0, n - 1), label="pixel") for n in sizes[graph.output])
    for axis, positions in enumerate(_pixels_with_gradient(spec, graph, size, pixel)):
        low, high = input_window(graph, axis, (pixel[axis], pixel[axis]), sizes)
        assert all(low <= n <= high for n in positions), (axis, positions, (low, high))


@settings(FIXED, max_examples=num_examples(20))
@given(strategies.plain_specs(), st.data())
def test_an_input_window_is_no_larger_than_it_must_be(described: strategies.Data, data: st.DataObject) -> None:
    """In networks of convolutions and means alone the gradient reaches both ends of the window on every axis."""
    spec, graph = build_or_reject(described)
    size = _small_fitting_size(graph)
    sizes = graph.sizes(size)
    pixel = tuple(data.draw(st.integers(0, n - 1), label="pixel") for n in sizes[graph.output])
    for axis, positions in enumerate(_pixels_with_gradient(spec, graph, size, pixel)):
        window = input_window(graph, axis, (pixel[axis], pixel[axis]), sizes)
        assert (min(positions), max(positions)) == window


def _small_fitting_size(graph: Graph) -> Size:
    size = smallest_fitting_size(graph, at_least=8)
    assume(size is not None and prod(size) <= 10_000)
    assert size is not None
    return size


def _pixels_with_gradient(spec: Spec, graph: Graph, size: Size, pixel: Size) -> list[list[int]]:
    """Return for each axis the image positions with a nonzero gradient of an output pixel."""
    model = unetgen.build(spec, seed=0).double().eval()
    x = random_image(graph, size, dtype=torch.float64).requires_grad_()
    model(x)[(0, slice(None), *pixel)].sum().backward()
    assert x.grad is not None
    has_gradient = (x.grad[0] != 0).any(dim=0)
    return [sorted(set(positions.tolist())) for positions in has_gradient.nonzero().unbind(1)]


# In-place activations


@settings(ROTATING, max_examples=num_examples(25))
@given(strategies.specs())
def test_running_in_place_changes_no_gradient(described: strategies.Data) -> None:
    """Training gives the same output and gradients whether or not activations run in place."""
    spec, graph = build_or_reject(described)
    size = smallest_fitting_size(graph)
    assume(size is not None and total_cost(graph, graph.sizes(size)).macs <= AFFORDABLE_MACS)
    assert size is not None
    model = unetgen.build(spec, seed=0).double().train()
    out_of_place = copy.deepcopy(model)
    for module in out_of_place.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    for ours, theirs in zip(
        _output_and_gradients(model, graph, size), _output_and_gradients(out_of_place, graph, size), strict=True
    ):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


def _output_and_gradients(model: UNet, graph: Graph, size: Size) -> list[Tensor]:
    """Return the outputs and all gradients of one training step; dropouts drop the same values each time."""
    torch.manual_seed(0)
    x = random_image(graph, size, batch=2, dtype=torch.float64).requires_grad_()
    outputs = flatten_outputs(model(x))
    sum(output.square().mean() for output in outputs).backward()
    grads = [tensor.grad for tensor in (x, *model.parameters())]
    return [*(output.detach() for output in outputs), *(grad for grad in grads if grad is not None)]


# Training memory


@settings(FIXED, max_examples=num_examples(20))
@given(strategies.specs())
def test_the_training_estimate_is_near_what_autograd_saves(described: strategies.Data) -> None:
    """The estimate is within a third of the bytes that autograd saves, or a KiB: some networks have a few pixels."""
    spec, graph = build_or_reject(described)
    # Autograd saves nothing for layers before the first parameters, but the estimate counts what poolings save there.
    assume(all(graph.nodes[index].op.parameters() for index in graph.consumers[0]))
    size = smallest_fitting_size(graph, at_least=8)
    assume(size is not None and total_cost(graph, graph.sizes(size)).macs <= AFFORDABLE_MACS)
    assert size is not None
    model = unetgen.build(spec, seed=0).train()
    saved = _saved_bytes(model, random_image(graph, size, batch=2))
    estimate = estimate_memory(graph, graph.sizes(size), batch_size=2).training
    assert saved / 1.33 - 1024 <= estimate <= saved * 1.33 + 1024


def _saved_bytes(model: nn.Module, x: Tensor) -> int:
    """Return the bytes that a forward pass saves for the backward pass, and of its output."""
    model_storages = {_storage(tensor).data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    saved: dict[int, int] = {}
    references: list[Tensor] = []  # so that no address is used twice

    def save(tensor: Tensor) -> Tensor:
        references.append(tensor)
        saved[_storage(tensor).data_ptr()] = _storage(tensor).nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        for output in flatten_outputs(model(x)):
            save(output)
    return sum(count for address, count in saved.items() if address not in model_storages)


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
