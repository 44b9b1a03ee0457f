"""Test networks with these blocks: their graphs, training, copies, export, saving and options."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export import Dim, export
from torch.utils.flop_counter import FlopCounterMode

import unetgen
from conftest import CASE_DIMS, CASES, SIZES, image, spec
from unetgen.analysis.cost import total_cost
from unetgen.config.registry.registry import Registry
from unetgen.network.unet import UNet

Networks = dict[tuple[str, int], UNet]
all_cases = pytest.mark.parametrize("case", CASE_DIMS, ids=[f"{name}, {dims}-D" for name, dims in CASE_DIMS])


def run_in_fresh_process(code: str, cwd: Path | None = None) -> None:
    """Run code in a new process with this process's import path."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=cwd, env=env)


@all_cases
def test_graph_matches_the_network(networks: Networks, case: tuple[str, int]) -> None:
    model, x = networks[case], image(case[1], batch=1)
    size = SIZES[case[1]]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = model(x)
    cost = total_cost(model.graph, model.graph.sizes(size))
    assert output.shape == (1, 2, *model.graph.output_size(size))
    assert cost.params == sum(p.numel() for p in model.parameters())
    assert cost.macs == counter.get_total_flops() / 2


@all_cases
def test_fitting_sizes_are_accepted(networks: Networks, case: tuple[str, int]) -> None:
    name, dims = case
    model = networks[case]
    if CASES[name].has_fixed_size:
        assert [fit.smallest for fit in model.graph.fits] == [*SIZES[dims]]
        assert all(fit.smallest_above(n) is None for n, fit in zip(SIZES[dims], model.graph.fits, strict=True))
        return
    # The smallest size is one window or less; the other is larger than the spec's input_size.
    for size in (tuple(fit.smallest for fit in model.graph.fits), tuple(n + 8 for n in SIZES[dims])):
        x = image(dims, size)
        with torch.no_grad():
            assert model(x).shape == (2, 2, *size)


@all_cases
def test_every_parameter_is_trained(networks: Networks, case: tuple[str, int]) -> None:
    model = copy.deepcopy(networks[case]).train()
    before = {key: value.clone() for key, value in model.named_parameters()}
    model(image(case[1])).square().sum().backward()
    gradients = {key: parameter.grad for key, parameter in model.named_parameters()}
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert [key for key, value in model.named_parameters() if torch.equal(before[key], value)] == []


TRACED_IN_LINE = {("swin", 2), ("swin", 3), ("vit sincos", 2), ("state space", 1)}


# Six directions in 3-D are traced like four in 2-D, but take twice as long.
@pytest.mark.parametrize(
    "case",
    [
        case if case in TRACED_IN_LINE else pytest.param(case, marks=pytest.mark.slow)
        for case in CASE_DIMS
        if case != ("state space along axes", 3)
    ],
    ids=str,
)
def test_copies_pickles_and_programs_compute_the_same(networks: Networks, case: tuple[str, int]) -> None:
    model, x = networks[case], image(case[1])
    with torch.no_grad():
        expected = model(x)
        assert torch.equal(copy.deepcopy(model)(x), expected)
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
        torch.compiler.reset()
        assert torch.equal(torch.compile(model, fullgraph=True, backend="eager")(x), expected)
        torch.testing.assert_close(export(model, (x,), strict=False).module()(x), expected)


# In 1-D if symbolic sizes on two axes would take torch too long.
DYNAMIC_CASES = [
    ("swin", 1),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in [("swin padded", 2), ("vit sincos", 2), ("state space", 1)]
    ),
]


@torch.no_grad()
@pytest.mark.parametrize(("name", "dims"), DYNAMIC_CASES)
def test_one_exported_program_supports_every_size(networks: Networks, name: str, dims: int) -> None:
    model = networks[name, dims]
    dynamic = {2 + axis: Dim.DYNAMIC for axis in range(dims)}
    program = export(model, (image(dims),), strict=False, dynamic_shapes=(dynamic,))
    for size in ((16, 16), (24, 16), (40, 48)):
        x = image(dims, size[:dims])
        torch.testing.assert_close(program.module()(x), model(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_equal_seeds_give_equal_weights(registry: Registry, networks: Networks, name: str) -> None:
    torch.manual_seed(99)
    again, other = (unetgen.build(spec(CASES[name].block), registry=registry, seed=seed) for seed in (1, 2))
    for key, value in networks[name, 2].state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    block = {k: v for k, v in networks[name, 2].state_dict().items() if k.startswith("bottleneck") and v.dim() > 1}
    rates = [key for key in block if key.endswith("log_rates")]
    assert [key for key in block if torch.equal(other.state_dict()[key], block[key])] == rates  # not random


LOAD = """
import sys, torch, unetgen
model = unetgen.load(sys.argv[1], registry=unetgen.load_registry(["unetgen_swin.plugin"]))
x = torch.load(sys.argv[2])
torch.set_num_threads(1)
with torch.no_grad():
    torch.save(model(x), sys.argv[2])
"""


def test_saved_files_are_loaded_without_a_spec(networks: Networks, tmp_path: Path) -> None:
    # One process for all, because starting a process is slow.
    snippets = [f"sys.argv[1:] = {[f'{number}.safetensors', f'{number}.pt']!r}{LOAD}" for number in range(len(CASES))]
    expected = []
    for number, name in enumerate(CASES):
        unetgen.save(networks[name, 2], tmp_path / f"{number}.safetensors")
        torch.save(image(2), tmp_path / f"{number}.pt")
        with torch.no_grad():
            expected.append(networks[name, 2](image(2)))
    run_in_fresh_process("import sys\n" + "\n".join(snippets), cwd=tmp_path)
    assert all(torch.equal(torch.load(tmp_path / f"{n}.pt"), output) for n, output in enumerate(expected))


# A case, and another value of each of its options.
OTHER_OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *(("swin", option) for option in (
        {"repeats": 3}, {"heads": 2}, {"window": 2}, {"window": [4, 2]}, {"mlp_ratio": 2}, {"qkv_bias": False},
        {"shift": False},
    )),
    *(("vit", option) for option in (
        {"layers": 3}, {"heads": 4}, {"mlp_ratio": 1.5}, {"position": "none"}, {"position": "sincos"},
    )),
    *(("state space", option) for option in (
        {"state": 5}, {"expansion": 3}, {"kernel_size": 1}, {"directions": 1}, {"directions": "axes"},
    )),
]  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize(("name", "option"), OTHER_OPTIONS)
def test_every_option_changes_the_network(
    registry: Registry, networks: Networks, name: str, option: dict[str, Any]
) -> None:
    block = {**CASES[name].block, **option}
    plain, other = networks[name, 2], unetgen.build(spec(block), registry=registry, seed=1).eval()
    assert other.spec.hash != plain.spec.hash
    assert other(image(2)).shape == plain(image(2)).shape
    assert not torch.equal(other(image(2)), plain(image(2)))


@torch.no_grad()
@pytest.mark.parametrize(("name", "option"), [("swin", "drop_path"), ("vit", "dropout")])
def test_dropout_applies_during_training_only(registry: Registry, networks: Networks, name: str, option: str) -> None:
    model = unetgen.build(spec({**CASES[name].block, option: 0.5}), registry=registry, seed=1)
    x = image(2)
    assert torch.equal(model.eval()(x), networks[name, 2](x))
    model.train()
    assert not torch.equal(model(x), model(x))


@torch.no_grad()
def test_padding_does_not_change_sizes_that_divide(registry: Registry) -> None:
    exact, padded = (
        unetgen.build(spec({"type": "swin", "window": 4, "fit": fit}), registry=registry, seed=1).eval()
        for fit in ("exact", "pad")
    )
    torch.testing.assert_close(padded(image(2)), exact(image(2)))
    assert (exact.graph.fits[0].period, padded.graph.fits[0].period) == (8, 2)


def test_projection_comes_first_if_channels_change(registry: Registry) -> None:
    for name in CASES:
        graph = unetgen.graph_of(spec(CASES[name].block, widths=[8, 8]), registry=registry)
        assert [node.path for node in graph.nodes if node.side == "bottleneck"] == [
            f"bottleneck.{CASES[name].block['type']}"
        ]
        graph = unetgen.graph_of(spec(CASES[name].block), registry=registry)
        assert next(node.path for node in graph.nodes if node.side == "bottleneck") == "bottleneck.entry"


def test_the_plugin_imports_no_torch() -> None:
    code = "import sys, unetgen_swin.plugin as p; p.unetgen_parts(); assert 'torch' not in sys.modules"
    run_in_fresh_process(code)
