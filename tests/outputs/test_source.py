"""Standalone source: the same network in one readable file that needs only torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings

import unetgen
from support.command_line import RunCli
from support.networks import narrow
from support.spec_strategies import specs as random_specs
from support.tiers import slow_unless
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.graph.fitting_sizes import FittingSizes, ResidueClass
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.network.unet import flatten_outputs
from unetgen.outputs.source.file import generate_source
from unetgen.outputs.source.size_check import merge_into_ranges

pytestmark = pytest.mark.usefixtures("single_torch_thread")

WIDTH = "120"


def written(spec: Any, **overrides: Any) -> str:
    checked = unetgen.load_spec(spec, **overrides)
    return generate_source(checked, unetgen.graph_of(checked))


def module_of(text: str) -> Any:
    space: dict[str, Any] = {"__name__": "written"}
    exec(compile(text, "written.py", "exec"), space)  # noqa: S102  # the file's own code
    return space


def pair(spec: Any, **overrides: Any) -> tuple[Any, Any]:
    """Return unetgen's network and that of the generated file, with equal random weights."""
    with torch.device("meta"):
        theirs = module_of(written(spec, **overrides))["UNet"]()
    ours = unetgen.build(spec, device="meta", **overrides)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    fresh = torch.Generator().manual_seed(0)
    state = {key: like(value, fresh) for key, value in ours.state_dict().items()}
    for model in (ours, theirs):
        model.load_state_dict({key: value.clone() for key, value in state.items()}, assign=True)
    return ours, theirs


def like(value: torch.Tensor, fresh: torch.Generator) -> torch.Tensor:
    """Return small random values; one-dimensional tensors are positive, since they may be variances."""
    if not value.is_floating_point():
        return torch.zeros(value.shape, dtype=value.dtype)
    return torch.rand(value.shape, generator=fresh) * 0.1 + (0.5 if value.dim() == 1 else -0.05)


def sizes(model: Any, count: int) -> list[tuple[int, ...]]:
    """The smallest that fit, all axes alike."""
    found, size = [], smallest_fitting_size(model.graph, 1) or model.graph.input_size
    while size and len(found) < count:
        found.append(size)
        size = tuple(f.smallest_above(n) or 0 for f, n in zip(model.graph.fits, size, strict=True))
        size = size if all(size) and not model.graph.has_fixed_size else None
    return found


# A narrow network takes the same steps as a wide one, but other kernels: some are compared at full width too.
FULL_WIDTH = ("unet_paper", "unet_1d")


@pytest.mark.parametrize("name", list_shipped_specs())
def test_every_shipped_network_is_equal_to_the_bit(name: str) -> None:
    assert_bit_equal(*pair(narrow(name)))


@pytest.mark.parametrize("name", slow_unless(FULL_WIDTH, list_shipped_specs()))
def test_shipped_networks_of_full_width_are_equal_to_the_bit(name: str) -> None:
    assert_bit_equal(*pair(name))


def assert_bit_equal(ours: Any, theirs: Any) -> None:
    """Check outputs at the smallest sizes, in both modes, and the running statistics."""
    dims, channels = ours.graph.dims, ours.graph.in_channels
    for training in (False, True) if dims < 3 else (False,):
        ours.train(training)
        theirs.train(training)
        for size in sizes(ours, 1 if training else 3 if dims < 3 else 1):
            x = torch.randn(2 if training else 1, channels, *size)  # norms of one pixel learn from two images
            torch.manual_seed(0)
            with torch.no_grad():
                a = ours(x)
            torch.manual_seed(0)
            with torch.no_grad():
                b = theirs(x)
            assert type(a) is type(b)
            assert all(
                torch.equal(first, second) for first, second in zip(flatten_outputs(a), flatten_outputs(b), strict=True)
            )
    state, other = ours.state_dict(), theirs.state_dict()
    assert all(torch.equal(state[key], other[key]) for key in state)  # running statistics too


def test_every_file_is_clean_and_imports_torch_alone(tmp_path: Path) -> None:
    for name in list_shipped_specs():
        text = written(name)
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        names = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.Import, ast.ImportFrom))]
        found = {(n.module or "") if isinstance(n, ast.ImportFrom) else n.names[0].name for n in names}
        assert {name.partition(".")[0] for name in found} <= {"__future__", "collections", "torch"}
    for command in (["format", "--check"], ["check", "--select", "E4,E7,E9,F,I,B,UP"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", WIDTH, str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_golden(check_golden: Callable[[str, str], None]) -> None:
    check_golden("unet_paper.py.txt", written("unet_paper"))
    check_golden("attention_unet.py.txt", written("attention_unet"))


def test_names_are_descriptive() -> None:
    """The running value is x and skips have their levels; channels without a prefix are a module's input and output."""
    resnet, nested = written("smp_unet_resnet34_scse"), written("u2net")
    for line in (
        "def __init__(self, channels: int, squeeze_channels: int) -> None:",
        "skip1, skip2, skip3, skip4, y = self.encoder(x)",
        'x = self["4"](x, skip4)',
        'return self["0"](x, image)',
    ):
        assert f"    {line}\n" in resnet
    for line in (
        'x3 = self["3"](x4, skip3)',
        'return x4, x3, x2, x1, self["0"](x1, skip0)',
        "x4, x3, x2, x1, x0 = self.decoder(x, skip4, skip3, skip2, skip1, skip0)",
        "return list(self.head(x0, x1, x2, x3, x4, x))",
        "self.up5 = UpUnit(in_channels=64, out_channels=32)",
    ):
        assert f"    {line}\n" in nested
    assert "class EncoderUNetBlock0(" in nested


def smallest_of_each_init() -> list[str]:
    """For every init that is shipped the network with the fewest weights."""
    found: dict[str, tuple[int, str]] = {}
    for name in list_shipped_specs():
        spec = unetgen.load_spec(name)
        weights = sum(prod(parameter.shape) for parameter in unetgen.graph_of(spec).parameters.values())
        found[str(spec.init)] = min(found.get(str(spec.init), (weights, name)), (weights, name))
    return [name for _, name in found.values()]


# The standard deviation of fewer values is not meaningful.
MIN_VALUES = 16

INITS: list[Any] = ["orthogonal", "xavier_normal", {"type": "normal", "mean": 0.5, "std": 0.1}, "torch_default"]


def test_the_file_initialises_as_the_init_does() -> None:
    """Norms and slopes start alike in both; what is drawn has one mean and one spread, within its sampling error."""
    gated = {"type": "attended", "attention": "eca", "block": {"type": "conv", "padding": "zeros"}}
    small = {"widths": [16, 24], "input_size": None, "block": gated}
    texts = [(name, {}) for name in smallest_of_each_init()]
    texts += [("unet_milesial", {**small, "init": init}) for init in INITS]
    for spec, overrides in texts:
        torch.manual_seed(0)
        theirs = module_of(written(spec, **overrides))["UNet"]().state_dict()
        ours = unetgen.build(spec, seed=0, **overrides).state_dict()
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            assert bool(value.any()) == bool(theirs[key].any()), (spec, key)
            if value.is_floating_point() and value.numel() >= MIN_VALUES:
                means, spreads = zip(*((x.mean(), x.std(correction=0)) for x in (value, theirs[key])), strict=True)
                error = 6 * float(max(spreads)) / value.numel() ** 0.5
                assert abs(float(means[0] - means[1])) <= error, (spec, key)
                assert abs(float(spreads[0] - spreads[1])) <= error, (spec, key)


def test_the_function_of_an_init_is_short() -> None:
    text = written("unet_paper").partition("def initialise")[2].partition("class")[0]
    assert text == (
        '(module: nn.Module) -> None:\n    """Initialise the parameters of a layer."""\n'
        "    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):\n"
        '        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")\n'
        "        if module.bias is not None:\n            nn.init.zeros_(module.bias)\n\n\n"
    )
    assert "def initialise" not in written("unet_milesial")  # torch's own layers start so by themselves


def test_an_unsupported_init_is_documented(tmp_path: Path) -> None:
    from unetgen.plugins import load_registry

    (tmp_path / "wide.py").write_text(WIDE)
    registry = load_registry([str(tmp_path / "wide.py")])
    checked = unetgen.load_spec("unet_milesial", widths=[4, 8], input_size=None, init="wide", registry=registry)
    text = generate_source(checked, unetgen.graph_of(checked))
    assert "UNet() initialises them as torch does, not as the spec's init does." in text
    assert "def initialise" not in text
    text = written("unet_paper")
    assert "UNet() initialises them as the spec's init does." in text


def test_size_ranges_equal_the_residue_classes() -> None:
    uneven = FittingSizes(
        (
            ResidueClass(1, 4, None, 0, 0),
            ResidueClass(2, 4, None, 0, 0),
            ResidueClass(11, 4, None, 0, 0),
            ResidueClass(8, 1, 9, 0, 0),
        )
    )
    early = FittingSizes((ResidueClass(1, 2, None, 0, 0), ResidueClass(4, 2, None, 0, 0)))
    for fit in [
        early,
        uneven,
        *dict.fromkeys(fit for name in list_shipped_specs() for fit in unetgen.graph_of(name).fits),
    ]:
        text = merge_into_ranges(fit)
        assert len(text) <= len(fit.classes)
        for size in range(1, fit.period + max(found.first for found in fit.classes)):
            found = any(a <= size <= (last or size) and (size - a) % step == 0 for a, step, last in text)
            assert found == (size in fit)


def test_sizes_without_gaps_are_one_range() -> None:
    assert {
        len(merge_into_ranges(fit)) for name in ("u2net", "unet_tutorial") for fit in unetgen.graph_of(name).fits
    } == {1}


def test_a_concatenation_of_one_tensor() -> None:
    """The only output, fused with itself."""
    head = {"type": "deep_supervision", "resolution": "full", "fused": "first"}
    ours, theirs = pair({"extends": "unet_milesial", "widths": [4, 4], "input_size": None, "head": head})
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert all(map(torch.equal, flatten_outputs(ours.eval()(x)), flatten_outputs(theirs.eval()(x))))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=random_specs())
def test_random_specs_can_be_exported(data: dict[str, Any]) -> None:
    try:
        graph = unetgen.graph_of(data)
    except unetgen.SpecError:
        reject()
    size = smallest_fitting_size(graph, 1)
    if size is None:
        reject()
    ours, theirs = pair(data)
    x = torch.randn(2, graph.in_channels, *size)
    with torch.no_grad():
        a, b = flatten_outputs(ours.eval()(x)), flatten_outputs(theirs.eval()(x))
    # Weights that lie elsewhere in memory may be summed in another order: to the bit is for the shipped ones, above.
    assert all(torch.allclose(f, s, rtol=1e-4, atol=1e-6, equal_nan=True) for f, s in zip(a, b, strict=True))


def test_the_file_runs_without_unetgen(tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli(
        "export", "unet_paper", "--set", "widths=[4, 8, 8]", "--set", "input_size=null", "-o", str(tmp_path / "net.py")
    )
    assert (done.code, done.out) == (0, f"{tmp_path}/net.py: written\n")
    code = (
        "import sys; sys.modules['unetgen'] = None\n"
        "import torch, net\n"
        "model = net.UNet()\n"
        "assert model(torch.zeros(1, 1, 44, 48)).shape == (1, 2, 4, 8)\n"
        "try: model(torch.zeros(1, 1, 45, 48))\n"
        "except ValueError as error: print(error)\n"
        "try: model(torch.zeros(1, 3, 44, 44))\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == (
        "input size 45 does not fit; valid sizes: n = 0 (mod 4), n >= 44\n"
        "the input has shape (1, 3, 44, 44), not (batch, 1, size, size)\n"
    )


def test_the_docstring_contains_the_spec_and_its_hash() -> None:
    checked = unetgen.load_spec("nafnet")
    text = ast.get_docstring(ast.parse(written("nafnet"))) or ""
    assert f"Hash of the architecture: {checked.hash}" in text
    again = unetgen.load_spec(text.partition("The spec:\n\n")[2].replace("\n    ", "\n").removeprefix("    "))
    assert again.hash == checked.hash


def test_gradients_are_equal_and_the_file_can_be_exported() -> None:
    ours, theirs = pair("unet_milesial", depth=1, widths=[4, 8], input_size=None)
    for model in (ours, theirs):
        model.train()(torch.ones(2, 3, 8, 8)).square().sum().backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    program = torch.export.export(theirs.eval(), (torch.ones(2, 3, 8, 8),))
    assert torch.allclose(program.module()(torch.ones(2, 3, 8, 8)), theirs(torch.ones(2, 3, 8, 8)), atol=1e-6)


def test_the_module_of_a_plugin_is_imported_and_documented() -> None:
    from unetgen.plugins import load_registry

    registry = load_registry(["support.external_parts"])
    checked = unetgen.load_spec(
        {"schema_version": 1, "in_channels": 1, "out_channels": 1, "widths": [4, 4], "block": "far"},
        registry=load_registry(["support.parts_without_torch"]),
    )
    text = generate_source(checked, unetgen.graph_of(checked))
    assert "Requires torch and support." in text
    assert "from support.external_parts import ShiftedConv\n" in text
    module_of(text)["UNet"]()
    assert registry


WIDE = '''
from typing import ClassVar

from unetgen.authoring import Call, Init, hookimpl


class Wide(Init):
    """Kernels by how many inputs they have."""

    type: ClassVar[str] = "wide"

    def rule(self, parameter):
        return Call("nn.init.normal_", {"mean": 0.0, "std": 1 / parameter.fan_in})


@hookimpl
def unetgen_parts():
    return [Wide]
'''

SHARED = '''
from typing import ClassVar

from unetgen.authoring import Block, Builder, Value, hookimpl


class Again(Block):
    """Three convolutions, the last with the weights of one of the others."""

    type: ClassVar[str] = "again"

    like: str = "a"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = g.conv(x, channels, 1, name="first")
        for name in ("a", "b"):
            with g.scope(name, "Step"):
                x = g.conv(x, channels, 3, padding="zeros", name="conv")
        with g.scope("c", "Step", like=self.like):
            return g.conv(x, channels, 3, padding="zeros", name="conv")


@hookimpl
def unetgen_parts():
    return [Again]
'''


def test_modules_that_share_other_layers_are_other_classes(tmp_path: Path) -> None:
    from unetgen.plugins import load_registry

    (tmp_path / "again.py").write_text(SHARED)
    registry = load_registry([str(tmp_path / "again.py")])
    said = {"schema_version": 1, "in_channels": 2, "out_channels": 1, "widths": [4, 4, 4], "head": {"type": "conv"}}
    spec = unetgen.load_spec(
        {**said, "block": "again", "levels": {1: {"encoder": {"block": {"like": "b"}}}}}, registry=registry
    )
    ours = unetgen.build(spec, seed=0, registry=registry).eval()
    theirs = module_of(generate_source(spec, unetgen.graph_of(spec)))["UNet"]().eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    "overrides",
    [
        {"dims": 3, "upsample": "pixel_shuffle"},
        {"name": 'tri"""ple', "description": "back\\slash"},
        {"name": "C:\\unet"},
        {"heads": {"class": {"type": "conv"}, "lambda": {"type": "conv"}}},
        {"block.activation": {"type": "hardtanh", "max_val": 2.5}},
        {"checkpointing": ["encoder.0"]},
    ],
    ids=str,
)  # fmt: skip
def test_unusual_names_and_values(overrides: dict[str, Any]) -> None:
    ours, theirs = pair("unet_milesial", widths=[4, 8], input_size=None, **overrides)
    x = torch.randn(2, 3, *(4,) * ours.graph.dims)
    assert all(
        torch.equal(a, b)
        for a, b in zip(flatten_outputs(ours.eval()(x)), flatten_outputs(theirs.eval()(x)), strict=True)
    )


def test_omitted_checkpointing_is_documented() -> None:
    text = written("unet_milesial", widths=[4, 8], input_size=None, checkpointing=["encoder.0"])
    assert "The spec's activation checkpointing is omitted: feature maps are not recomputed.\n" in text
