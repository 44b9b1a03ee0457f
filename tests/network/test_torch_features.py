"""Features of torch that work with every module: compile, export, copy, pickle, hooks, DDP."""

from __future__ import annotations

import copy
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export

import unetgen
from support.networks import (
    build_narrow,
    outputs_in_process,
    random_image,
    run_node_by_node,
    size_with_two_coarse_pixels,
    small_fitting_size,
    traceable_depth,
)
from support.tiers import slow_unless
from unetgen.analysis.report import NetworkReport
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.graph.graph import Graph
from unetgen.network.layer_table import format_layer_table
from unetgen.network.unet import UNet

pytestmark = pytest.mark.usefixtures("single_torch_thread")

# Basic networks; tests/network/test_topologies.py has one network for each other topology.
SPECS = sorted(name for name, path in list_shipped_specs().items() if path.parent.name != "zoo")

# Together they have every operation of the others: what traces code, which takes seconds, is tried with these in the
# README's line, and with all in the slow tier.
TRACED_SPECS = ("unet_1d", "unet_milesial_bilinear", "unet_paper")

# The functions that a traced network may call. A size check would be an assertion or another function.
TRACED = {
    "batch_norm", "cat", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "conv_transpose3d", "dropout",
    "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "narrow", "pad", "relu_", "upsample_bilinear2d",
    "upsample_nearest1d",
    "getitem", "sym_size", "add", "floordiv", "mul", "sub",  # how large a map is
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def _fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


# The network equals its graph


@pytest.mark.parametrize("name", SPECS)
def test_forward_is_the_graph_run_node_by_node(name: str) -> None:
    model = build_narrow(name)
    x = random_image(model)
    head = model.graph.nodes[model.graph.output].path
    assert torch.equal(model(x), run_node_by_node(model, x)[head])


@pytest.mark.parametrize("name", SPECS)
def test_calling_the_four_parts_equals_the_network(name: str) -> None:
    model = build_narrow(name)
    x = random_image(model)
    *features, coarsest = model.encoder(x)
    assert [f.shape[1] for f in features] == list(model.spec.widths[:-1])
    below = model.bottleneck(coarsest)
    finest = model.decoder(below, *reversed(features))
    assert torch.equal(model.head(finest), model(x))


# Compile and export


def test_traced_specs_have_every_operation() -> None:
    def operations(names: Iterable[str]) -> set[str]:
        return {type(node.op).__name__ for name in names for node in unetgen.graph_of(name).nodes}

    assert operations(TRACED_SPECS) == operations(SPECS)
    assert {unetgen.load_spec(name).dims for name in TRACED_SPECS} == {1, 2}  # 3-D takes 13 s; it is in the slow tier


@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("name", slow_unless(TRACED_SPECS, SPECS))
def test_one_compiled_graph_serves_every_size(name: str) -> None:
    model = build_narrow(name, depth=2)
    graphs = []

    def backend(module: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(module)
        return module.forward

    compiled = torch.compile(model, backend=backend, fullgraph=True, dynamic=True)
    for skip in (0, 1):
        x = random_image(model, small_fitting_size(model.graph, skip))
        torch.testing.assert_close(compiled(x), model(x))
    assert len(graphs) == 1


@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("name", TRACED_SPECS)
def test_compiles_through_autograd_tracing(name: str) -> None:
    model = build_narrow(name, depth=1)
    x = random_image(model)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    torch.testing.assert_close(compiled(x), model(x))


@torch.enable_grad()
@pytest.mark.usefixtures("_fresh_compiler")
def test_a_compiled_training_step_equals_the_eager_one() -> None:
    plain = build_narrow("unet_milesial", depth=1).train()
    other = copy.deepcopy(plain)
    compiled = torch.compile(other, backend="aot_eager", fullgraph=True)
    x = random_image(plain)
    for network in (plain, compiled):
        network(x).square().sum().backward()
    for key, parameter in plain.named_parameters():
        torch.testing.assert_close(other.get_parameter(key).grad, parameter.grad, msg=key)
    for key, buffer in plain.named_buffers():
        torch.testing.assert_close(other.get_buffer(key), buffer, msg=key)


# inductor imports a part of torch that is written with torch's own deprecated decorators.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.usefixtures("_fresh_compiler")
def test_compiles_to_machine_code() -> None:
    model = build_narrow("unet_paper", depth=1)
    x = random_image(model)
    torch.testing.assert_close(torch.compile(model, fullgraph=True)(x), model(x))


def calls(program: ExportedProgram) -> set[str]:
    """Return the functions that an exported program calls, without namespace and overload."""
    targets = [node.target for node in program.graph.nodes if node.op == "call_function"]
    return {getattr(t, "_opname", None) or str(getattr(t, "__name__", t)).split(".")[0] for t in targets}


@pytest.mark.parametrize("name", slow_unless(TRACED_SPECS, SPECS))
def test_exported_programs_contain_only_arithmetic(name: str) -> None:
    model = build_narrow(name)
    x = random_image(model)
    program = export(model, (x,))
    assert calls(program) <= TRACED
    assert torch.equal(program.module()(x), model(x))


def test_strict_export() -> None:
    model = build_narrow("unet_paper", depth=2)
    x = random_image(model)
    program = export(model, (x,), strict=True)
    assert calls(program) <= TRACED
    assert torch.equal(program.module()(x), model(x))


def free_axes(graph: Graph) -> dict[int, Any]:
    return {2 + axis: Dim.DYNAMIC for axis in range(graph.dims)}


def exact_axes(graph: Graph) -> dict[int, Any]:
    """Return the closed form of ``graph.fits`` for torch: ``16*n - 4`` with bounds, or bounds alone."""
    axes: dict[int, Any] = {}
    for axis, fit in enumerate(graph.fits):
        first, period = size_with_two_coarse_pixels(graph, axis, fit), fit.period
        if len(fit.classes) == period:
            axes[2 + axis] = Dim(f"n{axis}", min=first, max=512)
            continue
        short = -first % period
        n = Dim(f"n{axis}", min=(first + short) // period, max=64)
        axes[2 + axis] = period * n - short if short else period * n
    return axes


@pytest.mark.parametrize("axes", [free_axes, exact_axes])
@pytest.mark.parametrize("name", slow_unless(TRACED_SPECS, SPECS))
def test_one_exported_program_serves_every_size_that_fits(name: str, axes: Callable[[Graph], dict[int, Any]]) -> None:
    model = build_narrow(name, depth=traceable_depth(name))
    program = export(model, (random_image(model),), dynamic_shapes=(axes(model.graph),))
    assert calls(program) <= TRACED
    for skip in (1, 3):
        other = random_image(model, small_fitting_size(model.graph, skip))
        torch.testing.assert_close(program.module()(other), model(other))


def test_export_derives_the_sizes_of_the_paper() -> None:
    model = build_narrow("unet_paper")
    height = 16 * Dim("height", min=12, max=64) - 4
    program = export(model, (random_image(model, (204, 220)),), dynamic_shapes=({2: height},))
    assert "VR[188, 1020]" in {str(bounds) for bounds in program.range_constraints.values()}
    other = random_image(model, (188, 220))
    torch.testing.assert_close(program.module()(other), model(other))


def test_the_batch_size_is_dynamic() -> None:
    model = build_narrow("unet_milesial", depth=2)
    program = export(model, (random_image(model),), dynamic_shapes=({0: Dim("batch")},))
    other = random_image(model, batch=5)
    torch.testing.assert_close(program.module()(other), model(other))


# Copies, types and layouts


@torch.enable_grad()
@pytest.mark.parametrize("name", SPECS)
def test_a_deep_copy_is_equal_and_independent(name: str) -> None:
    model = build_narrow(name)
    twin = copy.deepcopy(model)
    assert twin.spec is model.spec
    x = random_image(model)
    before = model(x)
    assert torch.equal(twin(x), before)
    assert not {p.data_ptr() for p in twin.parameters()} & {p.data_ptr() for p in model.parameters()}
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(model(x), before)


def test_pickles_into_a_spawned_process() -> None:
    models = {name: build_narrow(name) for name in SPECS}
    with torch.multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(outputs_in_process, (models,))
    for name, (output, identity) in there.items():
        assert torch.equal(torch.from_numpy(output), models[name](random_image(models[name])))
        assert identity == models[name].spec.hash


@pytest.mark.parametrize("name", SPECS)
def test_autocast(name: str) -> None:
    model = build_narrow(name)
    x = random_image(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model(x)
    assert half.dtype == torch.bfloat16
    full = model(x)
    assert (half - full).abs().max() < 0.05 * full.abs().max()


@pytest.mark.parametrize("name", [name for name in SPECS if name != "unet_1d"])  # torch has no such layout in 1-D
def test_channels_last(name: str) -> None:
    model = build_narrow(name)
    x = random_image(model)
    expected = model(x)
    layout = torch.channels_last if model.graph.dims == 2 else torch.channels_last_3d
    result = model.to(memory_format=layout)(x.to(memory_format=layout))
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)
    # Whether a 3-D convolution keeps the memory format is torch's choice, and depends on its threads.
    assert model.graph.dims == 3 or result.is_contiguous(memory_format=layout)


def test_double_precision() -> None:
    model = build_narrow("unet_paper").double()
    x = random_image(model).double()
    assert model(x).dtype == torch.float64
    torch.testing.assert_close(model(x).float(), model.float()(x.float()), atol=1e-5, rtol=1e-4)


# Hooks and replaced modules


@pytest.mark.parametrize("name", SPECS)
def test_every_hook_fires_once_with_the_value_of_the_graph(name: str) -> None:
    model = build_narrow(name)
    x = random_image(model)
    plain, expected = model(x), run_node_by_node(model, x)
    fired: Counter[str] = Counter()
    seen: dict[str, Tensor] = {}

    def record(path: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            fired[path] += 1
            if isinstance(output, Tensor):
                seen[path] = output.clone()  # the next layer may run in place

        return hook

    for path, module in model.named_modules():
        module.register_forward_hook(record(path))
    assert torch.equal(model(x), plain)
    assert fired == dict.fromkeys((path for path, _ in model.named_modules()), 1)
    assert all(torch.equal(seen[path], value) for path, value in expected.items() if path != "input")


@pytest.mark.parametrize("path", ["encoder", "bottleneck", "decoder", "decoder.0", "decoder.1.up", "head"])
def test_a_value_kept_by_a_hook_does_not_change(path: str) -> None:
    model = build_narrow("unet_paper")
    x = random_image(model)
    kept: list[Any] = []
    given: list[tuple[Tensor, ...]] = []
    module = model.get_submodule(path)
    module.register_forward_pre_hook(lambda _, args: given.append(args))
    module.register_forward_hook(lambda _, __, output: kept.append(output))
    plain = model(x)
    again = module(*given[0])
    first, second = ((value,) if isinstance(value, Tensor) else tuple(value) for value in (kept[0], again))
    assert len(first) == len(second) == (5 if path == "encoder" else 1)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(plain, model(x))


def test_a_hook_may_replace_the_result() -> None:
    model = build_narrow("unet_paper")
    x = random_image(model)
    model.bottleneck.register_forward_hook(lambda _, __, output: torch.zeros_like(output))
    *features, coarsest = model.encoder(x)
    zero = torch.zeros_like(model.bottleneck(coarsest))
    assert torch.equal(model(x), model.head(model.decoder(zero, *reversed(features))))


@pytest.mark.parametrize("sequence", [list, tuple])
def test_a_hook_may_return_the_features_in_any_sequence(sequence: Callable[..., Any]) -> None:
    model = build_narrow("unet_paper")
    x = random_image(model)
    plain = model(x)
    model.encoder.register_forward_hook(lambda _, __, features: sequence(features))
    assert torch.equal(model(x), plain)


@torch.enable_grad()
def test_backward_hooks_on_the_parts_get_gradients() -> None:
    model = build_narrow("unet_paper")
    fired: Counter[str] = Counter()
    for path in ("encoder", "encoder.0", "bottleneck", "decoder", "decoder.0", "head"):
        model.get_submodule(path).register_full_backward_hook(lambda *_, path=path: fired.update([path]))
    # torch warns about its hooks if the image has no gradient.
    model(random_image(model).requires_grad_()).sum().backward()
    assert fired == dict.fromkeys(("encoder", "encoder.0", "bottleneck", "decoder", "decoder.0", "head"), 1)


class Wrapped(nn.Module):
    """A wrapper around a part that counts its calls."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.calls = 0

    def forward(self, *maps: Tensor) -> Any:
        self.calls += 1
        return self.inner(*maps)


PARTS = ["encoder", "encoder.0", "encoder.0.down", "bottleneck", "decoder", "decoder.1.skip", "head"]


@pytest.mark.parametrize("path", PARTS)
def test_a_wrapped_part_is_called(path: str) -> None:
    model = build_narrow("unet_paper")
    x = random_image(model)
    plain = model(x)
    wrapped = Wrapped(model.get_submodule(path))
    model.set_submodule(path, wrapped)
    assert torch.equal(model(x), plain)
    assert wrapped.calls == 1


def _compiled_in_place(model: UNet, path: str, backend: Callable[..., Any]) -> None:
    model.get_submodule(path).compile(backend=backend, fullgraph=True)


def _replaced_by_compiled(model: UNet, path: str, backend: Callable[..., Any]) -> None:
    model.set_submodule(path, torch.compile(model.get_submodule(path), backend=backend, fullgraph=True))


@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("compiled", [_compiled_in_place, _replaced_by_compiled])
@pytest.mark.parametrize("path", ["encoder", "bottleneck", "decoder", "head"])
def test_a_part_may_be_compiled_alone(path: str, compiled: Callable[..., None]) -> None:
    model = build_narrow("unet_paper", depth=2)
    x = random_image(model)
    plain = model(x)
    graphs = []

    def backend(module: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(module)
        return module.forward

    compiled(model, path, backend)
    assert torch.equal(model(x), plain)
    assert len(graphs) == 1


@pytest.mark.parametrize("path", PARTS)
def test_a_patched_forward_is_called(path: str) -> None:
    model = build_narrow("unet_paper")
    module, called = model.get_submodule(path), []
    original = module.forward

    def forward(*maps: Tensor) -> Any:
        called.append(path)
        return original(*maps)

    module.forward = forward
    model(random_image(model))
    assert called == [path]


def test_a_replaced_bottleneck_is_called() -> None:
    model = build_narrow("unet_milesial")
    x = random_image(model)
    *features, coarsest = model.encoder(x)
    model.bottleneck = nn.Conv2d(coarsest.shape[1], model.spec.bottleneck_width, 1)
    expected = model.head(model.decoder(model.bottleneck(coarsest), *reversed(features)))
    assert torch.equal(model(x), expected)


# Training


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@torch.enable_grad()
@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("name", SPECS)
def test_data_parallel_training_uses_every_parameter(name: str) -> None:
    model = build_narrow(name, depth=traceable_depth(name)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
    for _ in range(2):  # an unused parameter is complained of in the second step
        optimizer.zero_grad()
        parallel(random_image(model)).square().mean().backward()
        optimizer.step()
    kernels = [key for key in before if key.endswith("weight")]
    assert kernels
    assert all(not torch.equal(before[key], model.state_dict()[key]) for key in kernels)


def test_inspection_does_not_change_statistics_and_modes() -> None:
    model = unetgen.build("unet_tutorial", widths=[4, 8, 16], seed=1, device="meta").train()
    model.decoder.eval()
    real = build_narrow("unet_tutorial", depth=2).train()
    real.bottleneck.eval()
    state = copy.deepcopy(real.state_dict())
    modes = [module.training for module in (*model.modules(), *real.modules())]
    for _ in range(2):
        unetgen.graph_of(real.spec)
        NetworkReport.of(real.spec, real.graph, (64, 64))
        format_layer_table(model, (64, 64))
    assert [module.training for module in (*model.modules(), *real.modules())] == modes
    assert all(torch.equal(value, state[key]) for key, value in real.state_dict().items())
    assert not any("forward" in vars(module) for module in model.modules())


# Memory


@pytest.mark.parametrize("name", ["unet_paper", "unet_milesial", "unet_1d"])
def test_skips_are_released_when_they_are_merged(name: str) -> None:
    model = build_narrow(name)
    last = {level: model.graph.nodes[index].path for level, index in model.graph.skips.items()}
    skips: dict[int, weakref.ref[Tensor]] = {}
    alive: dict[int, list[int]] = {}
    for level, path in last.items():

        def made(_: nn.Module, __: Any, output: Tensor, level: int = level) -> None:
            skips[level] = weakref.ref(output)

        def joined(_: nn.Module, __: Any, level: int = level) -> None:
            alive[level] = [other for other, skip in skips.items() if skip() is not None]

        model.get_submodule(path).register_forward_hook(made)
        model.decoder.get_submodule(f"{level}.conv1").register_forward_pre_hook(joined)
    model(random_image(model))
    assert alive == {level: list(range(level)) for level in last}


def test_the_network_does_not_keep_the_image() -> None:
    model = build_narrow("unet_paper")
    x = random_image(model)
    watched = weakref.ref(x)
    result = model(x)
    del x
    assert watched() is None
    assert result.isfinite().all()
