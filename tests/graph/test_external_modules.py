"""Third-party modules in the graph: declared and measured shapes and costs, and errors that name the provider."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import unetgen
from support.command_line import RunCli
from support.paths import TESTS
from unetgen.analysis.cost import count_parameters, total_cost
from unetgen.analysis.memory import estimate_memory
from unetgen.analysis.receptive_field import receptive_field
from unetgen.analysis.report import NetworkReport
from unetgen.config.registry.registry import Registry
from unetgen.errors import PluginError, SizeError, SpecError
from unetgen.graph.size_errors import check_sizes

pytestmark = [pytest.mark.usefixtures("isolated_plugins"), pytest.mark.usefixtures("single_torch_thread")]


SPEC: dict[str, Any] = {"schema_version": 1, "in_channels": 2, "out_channels": 3, "widths": [4, 6]}


@pytest.fixture
def registry() -> Registry:
    return unetgen.load_registry(["support.external_parts"])


def build_model(registry: Registry, *, seed: int = 1, **more: Any) -> Any:
    return unetgen.build({**SPEC, **more}, registry=registry, seed=seed).eval()


# Shapes and costs


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("block", ["shift", "declared", "windowed", "reckons"])
def test_shapes_parameters_and_macs_are_torchs(registry: Registry, block: str, dims: int) -> None:
    model = build_model(registry, block=block, dims=dims)
    graph, size = model.graph, (8,) * dims
    with FlopCounterMode(display=False) as counter:
        y = model(torch.randn(2, 2, *size))
    assert tuple(y.shape[1:]) == (3, *size)
    assert counter.get_total_flops() == 2 * total_cost(graph, graph.sizes(size)).flops
    assert count_parameters(graph) == sum(p.numel() for p in model.parameters())
    assert {k: p.shape for k, p in graph.parameters.items()} == {k: tuple(p.shape) for k, p in model.named_parameters()}


def test_a_module_is_named_by_its_part_or_by_its_author(registry: Registry) -> None:
    keys = list(build_model(registry, block="shift", bottleneck={"block": "declared"}).state_dict())
    assert keys[:3] == ["encoder.0.shift.gain", "encoder.0.shift.conv.weight", "encoder.0.shift.conv.bias"]
    assert "bottleneck.body.conv.weight" in keys


def test_a_declared_module_is_not_even_imported_until_it_is_measured() -> None:
    code = (
        "import sys, unetgen\n"
        "registry = unetgen.load_registry(['support.parts_without_torch'])\n"
        f"graph = unetgen.graph_of({SPEC!r}, registry=registry, block='far')\n"
        "assert graph.output_size((8, 8)) == (8, 8) and 'torch' not in sys.modules\n"
        "from unetgen.analysis.cost import count_parameters\n"
        "assert count_parameters(graph) > 0 and 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=TESTS)


def test_multiples_are_refused_by_the_nearest_that_fit(registry: Registry) -> None:
    graph = unetgen.graph_of(SPEC, registry=registry, block="windowed")
    assert str(graph.fits[0]) == "n = 0 (mod 8), n >= 8"
    with pytest.raises(SizeError) as caught:
        build_model(registry, block="windowed")(torch.ones(1, 2, 12, 16))
    assert str(caught.value) == (
        "input_size: 12 on axis H gives 6 at the bottleneck, which windowed cannot divide by 4; "
        "nearest that fit: 8 (output 8), 16 (output 16); or add 'input: pad'"
    )


def test_a_first_module_that_cannot_divide_the_image_does_not_fit(registry: Registry) -> None:
    """The message is not that the image is too small."""
    with pytest.raises(SizeError) as caught:
        unetgen.graph_of(SPEC, registry=registry, levels={0: {"encoder": {"block": "windowed"}}}, input_size=[10, 8])
    assert str(caught.value).startswith(
        "override: input_size: 10 on axis H does not fit: windowed cannot divide by 4; "
    )


def test_a_module_that_the_meta_device_cannot_run_is_run_on_the_cpu(registry: Registry) -> None:
    graph = unetgen.graph_of(SPEC, registry=registry, block="earthly")
    plain = unetgen.graph_of(SPEC, block={"repeats": 1, "padding": "zeros"})
    assert total_cost(graph, graph.sizes((8, 8))) == total_cost(plain, plain.sizes((8, 8)))


def test_reading_a_size_fixes_the_size_of_the_network(registry: Registry) -> None:
    model = build_model(registry, block={"padding": "zeros"}, bottleneck={"block": "bound"}, input_size=[8, 12])
    assert [str(fit) for fit in model.graph.fits] == ["n = 8", "n = 12"]
    assert model.state_dict()["bottleneck.bound.embedding"].shape == (6, 4, 6)
    with pytest.raises(SpecError) as caught:
        unetgen.graph_of(SPEC, registry=registry, bottleneck={"block": "bound"})
    assert str(caught.value) == (
        "override: in the bottleneck: block 'bound' needs to know the size of its feature map; "
        "add 'input_size: [256, 256]', the only size that then fits"
    )


def test_a_network_of_fixed_size_accepts_no_other(registry: Registry) -> None:
    """Nor is another size passed to the module, which might accept it."""
    model = build_model(registry, block={"padding": "zeros"}, bottleneck={"block": "bound"}, input_size=[8, 12])
    assert model(torch.ones(1, 2, 8, 12)).shape == (1, 3, 8, 12)
    with pytest.raises(SizeError) as caught:
        model(torch.ones(1, 2, 8, 16))
    assert str(caught.value) == (
        "input_size: 16 on axis W is not the size for which a part of this network was built; use 12, the only size that fits"
    )


def test_a_size_that_does_not_fit_before_it_is_read_is_a_size_error(registry: Registry) -> None:
    with pytest.raises(SizeError) as caught:
        unetgen.graph_of(SPEC, registry=registry, bottleneck={"block": "bound"}, input_size=[9, 8])
    assert "axis H" in str(caught.value)


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (15, 7)])
def test_a_rule_defines_the_output_size(registry: Registry, size: tuple[int, int]) -> None:
    more = {"downsample": "pooled", "skip": {"align": "resize"}, "block": {"padding": "zeros"}}
    model = build_model(registry, **more)
    pooled = next(node for node in model.graph.nodes if node.path == "encoder.0.down.pooled")
    assert model.graph.sizes(size)[pooled.index] == tuple(-(-n // 2) for n in size)
    assert model(torch.ones(1, 2, *size)).shape == (1, 3, *model.graph.output_size(size))


def test_a_measured_size_is_that_of_the_input_size(registry: Registry) -> None:
    more = {"downsample": "measured", "skip": {"align": "resize"}, "block": {"padding": "zeros"}}
    model = build_model(registry, **more, input_size=[9, 12])
    assert model(torch.ones(1, 2, 9, 12)).shape == (1, 3, 9, 12)
    assert [str(fit) for fit in model.graph.fits] == ["n = 9", "n = 12"]


def test_receptive_fields_count_declared_pixels(registry: Registry) -> None:
    spec = unetgen.load_spec(SPEC, registry=registry, block="declared")
    same = unetgen.load_spec(SPEC, block={"padding": "zeros", "repeats": 1})
    declared, known = (NetworkReport.of(s, unetgen.graph_of(s, registry=registry), (16, 16)) for s in (spec, same))
    assert declared.receptive_fields == known.receptive_fields
    undeclared = unetgen.load_spec(SPEC, registry=registry, block="shift")
    lines = dict(NetworkReport.of(undeclared, unetgen.graph_of(undeclared, registry=registry), (16, 16)).format_lines())
    assert lines["receptive field"] == "16 pixels, plus an unknown extent at encoder.0.shift and 2 more"
    assert lines["MACs"].endswith("convolutions and matrix products")


def test_windows_and_norms_are_declared_for_a_strided_module(registry: Registry) -> None:
    """The results equal those of built-in ops for the same convolution and norm."""
    wrapped = unetgen.graph_of({**SPEC, "block": {"padding": "zeros"}, "downsample": "starves"}, registry=registry)
    down = {"type": "conv", "kernel_size": 5, "padding": "zeros", "norm": "instance", "channels": "next"}
    built_in = unetgen.graph_of({**SPEC, "block": {"padding": "zeros"}, "downsample": down})
    fields = [receptive_field(graph, 0, graph.sizes((32, 32))) for graph in (wrapped, built_in)]
    assert fields[0] == fields[1]
    for graph in (wrapped, built_in):
        with pytest.raises(SizeError) as caught:
            check_sizes(graph, (2, 2))
        assert str(caught.value).endswith("needs more than one pixel; the smallest that fits is 4 x 4")


def test_memory_counts_what_autograd_saves_inside(registry: Registry) -> None:
    """The convolution saves its input and the gain the convolution's output: one map more than the graph shows."""
    sizes = {}
    for block in ("declared", {"padding": "zeros", "repeats": 1, "activation": "none"}):
        graph = unetgen.graph_of(SPEC, registry=registry, block=block)
        sizes[str(block)[:8]] = estimate_memory(graph, graph.sizes((16, 16))).training
    wrapped, built_in = sizes.values()
    assert wrapped - built_in == 4 * (2 * 4 * 16 * 16 + 6 * 8 * 8)


def test_memory_counts_live_maps_inside(registry: Registry) -> None:
    """The convolution and the product are live together, then the product and the sum: one map besides the output."""
    op = next(n.op for n in unetgen.graph_of(SPEC, registry=registry, block="declared").nodes if n.op.kind == "module")
    assert op.workspace_elements((2, 2, 16, 16), (2, 4, 16, 16)) == 2 * 4 * 16 * 16


def test_the_layer_table_has_a_row_for_it(registry: Registry, run_cli: RunCli, tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("schema_version: 1\nin_channels: 2\nout_channels: 3\nwidths: [4, 6]\nblock: shift\n")
    outcome = run_cli("build", str(spec), "--plugin", str(TESTS / "support" / "external_parts.py"), "--input-size", "8")
    row = next(line for line in outcome.out.splitlines() if "ShiftedConv (shift)" in line)
    assert row.split()[-5:] == ["4,", "8,", "8]", "77", "4,608"]


# Backbones


def test_a_backbone_returns_several_maps(registry: Registry) -> None:
    spec = {**SPEC, "encoder": "backbone", "decoder": {"widths": [4, 4, 4]}, "skip": {"align": "resize"}}
    del spec["widths"]
    model = unetgen.build(spec, registry=registry, seed=1, block={"padding": "zeros"}).eval()
    for size in ((16, 16), (17, 22)):
        x = torch.randn(1, 2, *size)
        assert model(x).shape == (1, 3, *model.graph.output_size(size))
        maps = model.get_submodule("encoder.backbone")(x)
        selected = [n for n in model.graph.nodes if n.op.kind == "take"]
        sizes = model.graph.sizes(size)
        assert [tuple(m.shape[1:]) for m in maps] == [(n.channels, *sizes[n.index]) for n in selected]
    assert [node.level for node in selected] == [1, 2, 3]
    assert count_parameters(model.graph) == sum(p.numel() for p in model.parameters())
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert counter.get_total_flops() == total_cost(model.graph, sizes).flops


def test_a_backbone_that_returns_more_outputs_than_declared_is_an_error(registry: Registry) -> None:
    spec = {**SPEC, "encoder": {"type": "backbone", "claims": 2}, "decoder": {"widths": [4, 4]}}
    del spec["widths"]
    graph = unetgen.graph_of(spec, registry=registry, skip={"align": "resize"}, block={"padding": "zeros"})
    with pytest.raises(PluginError) as caught:
        total_cost(graph, graph.sizes((16, 16)))
    assert str(caught.value) == (
        "encoder.backbone: encoder 'backbone' of support.external_parts: 2 outputs are declared, but the module returns 3; "
        "this is a bug in the part that added it"
    )


# Weights


def test_a_module_initialises_itself_under_its_own_seed(registry: Registry) -> None:
    one, other = (build_model(registry, block="shift", init="normal") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    deeper = build_model(registry, block="shift", init="he_normal", widths=[4, 6, 8])
    ours, theirs = one.state_dict(), deeper.state_dict()
    shared = [key for key in ours if "shift" in key and key in theirs and ours[key].shape == theirs[key].shape]
    assert len(shared) >= 6
    assert all(torch.equal(ours[key], theirs[key]) for key in shared)
    assert not torch.equal(ours["encoder.0.shift.conv.weight"], build_model(registry, block="shift", seed=2).state_dict()["encoder.0.shift.conv.weight"])  # fmt: skip


def test_building_does_not_change_torchs_generator(registry: Registry) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build_model(registry, block="shift")
    assert torch.equal(torch.rand(1), expected)


def test_first_arguments_are_for_new_models_only(registry: Registry, tmp_path: Path) -> None:
    model = build_model(registry, block={"type": "shift", "start": 4.0})
    assert model.get_submodule("bottleneck.shift").gain.item() == 5.0
    unetgen.save(model, tmp_path / "net.safetensors")
    again = unetgen.load(tmp_path / "net.safetensors", registry=registry)
    assert again.get_submodule("bottleneck.shift").gain.item() == 5.0
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(model(x), again(x))


def test_a_network_on_the_meta_device_gets_weights_and_buffers(registry: Registry, tmp_path: Path) -> None:
    model = build_model(registry, block="shift")
    unetgen.save(model, tmp_path / "net.safetensors")
    empty = unetgen.build(SPEC, registry=registry, device="meta", block="shift").eval()
    unetgen.load_weights(empty, tmp_path / "net.safetensors")
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(model(x), empty(x))


@pytest.mark.parametrize("copy_model", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_equal(registry: Registry, copy_model: Callable[[Any], Any]) -> None:
    model = build_model(registry, block="shift")
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(model(x), copy_model(model)(x))


def test_it_exports_and_compiles(registry: Registry) -> None:
    model = build_model(registry, block="shift")
    x = torch.randn(1, 2, 8, 8)
    assert torch.allclose(torch.export.export(model, (x,)).module()(x), model(x), atol=1e-6)
    assert torch.allclose(torch.compile(model, fullgraph=True, backend="eager")(x), model(x), atol=1e-6)


def test_a_module_that_two_scopes_share_stays_shared() -> None:
    """Its initial weights are materialised once for both scopes."""
    from support import external_parts
    from unetgen.graph.builder import Builder
    from unetgen.network.initialization import materialize
    from unetgen.network.unet import build_network

    g = Builder(2, 4)
    part = external_parts.Shift()
    with g.scope("first", label="Step"):
        x = part.emit(g, g.input, 4)
    with g.scope("second", label="Step", like="first"):
        x = part.emit(g, x, 4)
    with torch.device("meta"):
        model = build_network(unetgen.load_spec("unet_1d"), g.to_graph(x))
    materialize(model, 1)
    image = torch.randn(1, 4, 5, 5)
    step = model.get_submodule("first.shift")
    assert torch.equal(model(image), step(step(image)))
    assert len(list(model.parameters())) == 3


# Failures

WHERE = "bottleneck.fails: block 'fails' of support.external_parts"


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("emit", "bottleneck: block 'fails' of support.external_parts failed in the bottleneck: ZeroDivisionError: division by zero"),
        ("init", f"{WHERE} failed while creating support.external_parts:Failing: ValueError: no way"),
        ("nothing", f"{WHERE} failed while creating support.external_parts:not_a_module: TypeError: the target returned a int, not an nn.Module"),
        ("lost", f"{WHERE} failed while creating support.external_parts:Lost: AttributeError: module 'support.external_parts' has no attribute 'Lost'"),
    ],
)  # fmt: skip
def test_a_failure_names_location_provider_and_cause(registry: Registry, how: str, sentence: str) -> None:
    with pytest.raises(PluginError) as caught:
        build_model(registry, block={"padding": "zeros"}, bottleneck={"block": {"type": "fails", "how": how}})
    assert str(caught.value) == sentence
    assert caught.value.__cause__ is not None


def test_a_failure_at_a_level_names_it(registry: Registry) -> None:
    """Requirement A39."""
    spec = {**SPEC, "widths": [2, 4, 8, 16, 32]}
    with pytest.raises(PluginError) as caught:
        unetgen.graph_of(spec, registry=registry, encoder={"block": {"type": "fails", "how": "emit", "channels": 16}})
    assert str(caught.value) == (
        "encoder.3: block 'fails' of support.external_parts failed at level 3 of the encoder: ZeroDivisionError: division by zero"
    )


def test_traceback_shows_the_frames(run_cli: RunCli, tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text(
        "schema_version: 1\nin_channels: 2\nout_channels: 3\nwidths: [4, 6]\nblock: {type: fails, how: emit}\n"
    )
    plugin = str(TESTS / "support" / "external_parts.py")
    plain = run_cli("inspect", str(spec), "--plugin", plugin)
    assert plain.code == 3
    assert plain.err.count("\n") == 1
    outcome = run_cli("--traceback", "inspect", str(spec), "--plugin", plugin)
    assert 'raise ZeroDivisionError("division by zero")' in outcome.err


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("forward", "encoder.0.fails: block 'fails' of support.external_parts failed while running on 2 x 8 x 8: ValueError: not today"),
        ("channels", "encoder.0.fails: block 'fails' of support.external_parts: for 8 x 8 pixels the module returns 2 x 8 x 8, but 4 x 8 x 8 is declared; this is a bug in the part that added it"),
    ],
)  # fmt: skip
def test_measured_shapes_are_checked_against_declared_ones(registry: Registry, how: str, sentence: str) -> None:
    graph = unetgen.graph_of(SPEC, registry=registry, block={"type": "fails", "how": how})
    with pytest.raises(PluginError) as caught:
        total_cost(graph, graph.sizes((8, 8)))
    assert str(caught.value) == sentence


def test_a_failure_of_a_built_in_part_is_not_a_plugin_error(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unetgen.parts.blocks.convolutional import Conv

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Conv, "emit_strided", broken)
    with pytest.raises(ZeroDivisionError):
        unetgen.graph_of(SPEC, registry=registry)
