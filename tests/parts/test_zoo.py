"""Every network of the zoo: the numbers of its reference, and copies, export, compilation and saved files."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import unetgen
from support.command_line import RunCli
from support.networks import narrow, smallest_size, topology_features
from support.paths import ROOT
from support.tiers import slow_unless
from unetgen.analysis.cost import count_parameters
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.network.unet import flatten_outputs

ZOO = sorted(path.stem for path in (ROOT / "specs" / "zoo").glob("*.yaml"))


class Row(NamedTuple):
    """The measurements of a reference: (channels, *size) of input and outputs, and the number of parameters."""

    name: str
    input: tuple[int, ...]
    outputs: list[tuple[int, ...]]
    params: int
    difference: str
    measured: str


def shape(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


def rows() -> list[Row]:
    with (ROOT / "tests" / "data" / "zoo.csv").open(encoding="utf-8", newline="") as file:
        return [
            Row(
                r["name"],
                shape(r["input"]),
                [shape(o) for o in r["outputs"].split()],
                int(r["params"]),
                r["difference"],
                r["measured"],
            )
            for r in csv.DictReader(file)
        ]


ROWS = rows()


def test_every_network_has_a_row_and_its_sources() -> None:
    assert {row.name for row in ROWS} >= set(ZOO)
    for name in ZOO:
        spec = unetgen.load_spec(name)
        assert spec.name == name
        assert spec.description
        assert all(spec.about[key] for key in ("paper", "reference", "adds")), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{'x'.join(map(str, row.input))}")
def test_numbers(row: Row) -> None:
    """Parameters and shapes are those that the reference itself was measured to have."""
    graph = unetgen.graph_of(row.name, input_size=None)
    assert count_parameters(graph) == row.params
    sizes = graph.sizes(row.input[1:])
    outputs = [(graph.nodes[i].channels, *sizes[i]) for i in graph.output_nodes]
    assert graph.in_channels == row.input[0]
    assert outputs == row.outputs


@pytest.mark.parametrize("name", ZOO)
def test_torch_has_the_graphs_shapes_and_keys(name: str) -> None:
    """On the meta device, at the size that the spec reports for."""
    model = unetgen.build(name, device="meta").eval()
    graph, size = model.graph, model.spec.input_size
    assert size is not None
    sizes = graph.sizes(size)
    outputs = flatten_outputs(model(torch.empty((2, graph.in_channels, *size), device="meta")))
    assert [tuple(t.shape) for t in outputs] == [(2, graph.nodes[i].channels, *sizes[i]) for i in graph.output_nodes]
    assert {k: tuple(p.shape) for k, p in model.named_parameters()} == {k: p.shape for k, p in graph.parameters.items()}


def choose_covering_networks() -> list[str]:
    """Choose networks that cover every topology feature of the zoo, those first that add most for their size.

    Tracing a network takes seconds per hundred modules; single parts are traced in tests/testing.
    """
    graphs = {name: unetgen.graph_of(name) for name in ZOO}
    features = {name: topology_features(unetgen.load_spec(name), graph) for name, graph in graphs.items()}
    chosen: list[str] = []
    missing = set().union(*features.values())
    while missing:
        chosen.append(max(ZOO, key=lambda name: len(features[name] & missing) / len(graphs[name].nodes)))
        missing -= features[chosen[-1]]
    return chosen


# Written down, so that to collect the tests builds no graph.
COVERING_NETWORKS = [
    "monai_unet",
    "unet_wolny_3d",
    "utime",
    "unetplusplus",
    "smp_unet_resnet34",
    "residual_unet_3d",
    "monai_attention_unet",
    "vnet",
    "attention_unet_grid",
    "unet3plus",
    "resunetplusplus",
    "multiresunet",
]


# Their encoders, or the blocks of their levels, have fixed widths.
NOT_NARROWED = {
    "cmunext", "d_linknet", "dc_unet", "linknet", "monodepth2",
    "smp_unet_resnet34", "smp_unet_resnet34_scse", "smp_unetplusplus_resnet34",
}  # fmt: skip


def test_narrow_networks_have_an_eighth_of_the_widths() -> None:
    """A new network that cannot be narrowed makes the tests slow: list it, or let ``narrow`` narrow it."""
    for name in list_shipped_specs():
        params, narrow_params = (count_parameters(unetgen.graph_of(spec)) for spec in (name, narrow(name)))
        assert (params == narrow_params) is (name in NOT_NARROWED), name


def test_covering_networks_cover_the_zoo() -> None:
    assert choose_covering_networks() == COVERING_NETWORKS


@pytest.mark.parametrize("name", COVERING_NETWORKS)
def test_it_is_copied_and_exported(name: str) -> None:
    """A copy and its program, both on the meta device: no number is needed for that."""
    model = copy.deepcopy(unetgen.build(name, device="meta")).eval()
    image = torch.empty((1, model.graph.in_channels, *smallest_size(model.graph)), device="meta")
    with torch.no_grad():
        program = torch.export.export(model, (image,)).module()
        assert [t.shape for t in flatten_outputs(program(image))] == [t.shape for t in flatten_outputs(model(image))]


@pytest.mark.parametrize("name", slow_unless(("utime", "unetplusplus"), COVERING_NETWORKS))
def test_it_is_compiled_in_one_graph(name: str) -> None:
    model = unetgen.build(name, device="meta").eval()
    image = torch.empty((1, model.graph.in_channels, *smallest_size(model.graph)), device="meta")
    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        assert [t.shape for t in flatten_outputs(compiled(image))] == [t.shape for t in flatten_outputs(model(image))]
    torch.compiler.reset()


@pytest.mark.parametrize("name", ZOO)
def test_the_resolved_spec_says_the_same(name: str) -> None:
    spec = unetgen.load_spec(name)
    reloaded = unetgen.load_spec(json.loads(json.dumps(spec.resolved())))
    assert reloaded.hash == spec.hash
    assert unetgen.graph_of(reloaded).digest == unetgen.graph_of(spec).digest


@pytest.mark.parametrize("name", COVERING_NETWORKS)
def test_weights_are_saved_and_come_back(name: str, tmp_path: Path) -> None:
    """A file alone rebuilds the network, with equal outputs."""
    model, file = unetgen.build(narrow(name), seed=0).eval(), tmp_path / "net.safetensors"
    unetgen.save(model, file)
    reloaded = unetgen.load(file)
    file.unlink()  # some have 400 MB, and pytest keeps its folders
    image = torch.rand((1, model.graph.in_channels, *smallest_size(model.graph)))
    with torch.no_grad():
        for expected, output in zip(flatten_outputs(model(image)), flatten_outputs(reloaded(image)), strict=True):
            assert torch.equal(expected, output)
    assert reloaded.spec.hash == model.spec.hash


def test_specs_are_listed_and_filtered(run_cli: RunCli) -> None:
    everything = json.loads(run_cli("specs", "--format", "json").out)
    assert {entry["name"] for entry in everything} >= set(ZOO)
    assert all(entry["adds"] for entry in everything)
    gated = [
        entry["name"] for entry in json.loads(run_cli("specs", "attention_gate", "--dims", "2", "--format", "json").out)
    ]
    assert "attention_unet" in gated
    assert "unet_ljh" not in gated
    light = json.loads(run_cli("specs", "--max-params", "2e6", "--sort", "params", "--format", "json").out)
    counts = [entry["params"]["total"] for entry in light]
    assert counts == sorted(counts)
    assert counts[-1] <= 2_000_000
    shown = run_cli("specs", "u2net").out
    assert "u2netp" in shown
    assert "blocks that are U-Nets themselves" in shown


def network_table() -> str:
    """The table of docs/reference/networks.md."""
    lines = ["| name | paper | reference | what it adds | parameters | difference |", "|---|---|---|---|---|---|"]
    for name in ZOO:
        row = next(row for row in ROWS if row.name == name)
        about = unetgen.load_spec(name).about
        cells = [about[key] for key in ("paper", "reference", "adds")]
        lines.append(f"| `{name}` | {' | '.join(cells)} | {row.params:,} | {row.difference} |")
    return "\n".join(lines) + "\n"


def test_the_page_lists_every_network(request: pytest.FixtureRequest) -> None:
    page = ROOT / "docs" / "reference" / "networks.md"
    before, start, rest = page.read_text(encoding="utf-8").partition("<!-- networks -->\n")
    shown, end, after = rest.partition("<!-- end of networks -->")
    if request.config.getoption("--update-golden"):
        page.write_text("".join((before, start, network_table(), end, after)), encoding="utf-8")
    else:
        assert shown == network_table(), "run pytest with --update-golden"
