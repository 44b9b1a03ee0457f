"""Comparisons of networks: differing settings, costs, initial weights, and all table formats."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import unetgen
from support import spec_strategies
from support.command_line import RunCli
from support.effort import ROTATING, num_examples
from support.plugin_site import PluginSite
from unetgen.ablation.comparison.comparison import Comparison
from unetgen.ablation.comparison.initial_weights import (
    ABSENT,
    ADDED,
    DIFFERENT_INIT,
    DIFFERENT_SHAPE,
    SAME,
    collect_module_inits,
    compare_modules,
)
from unetgen.ablation.sweeps.directory.writer import write_sweep
from unetgen.ablation.sweeps.settings_diff import find_differing_settings, flatten_settings
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.analysis.measures import COST_METRICS
from unetgen.analysis.report import NetworkReport
from unetgen.graph.from_spec import build_graph
from unetgen.outputs.data_table import Column, DataTable, format_bytes, format_count
from unetgen.plugins import load_registry

SMALL = {"extends": "unet_milesial", "widths": [4, 8, 16], "input_size": [32, 32]}
SWEEP = """\
base: {extends: unet_milesial, widths: [4, 8, 16], input_size: [32, 32]}
axes: {skip.fusion: [add, concat], depth: [1, 2]}
"""


def diff_specs(*specs: Any, **overrides: Any) -> dict[str, list[str | None]]:
    return find_differing_settings([flatten_settings(unetgen.load_spec(spec, **overrides)) for spec in specs])


def diff_overrides(**overrides: Any) -> dict[str, list[str | None]]:
    """Return the differing settings of a small network and the same with overrides."""
    return find_differing_settings(
        [flatten_settings(unetgen.load_spec(SMALL)), flatten_settings(unetgen.load_spec(SMALL, **overrides))]
    )


# Differing settings


def test_equal_specs_differ_in_nothing() -> None:
    assert diff_overrides() == {}
    assert diff_overrides(name="other", description="words") == {}


@pytest.mark.parametrize(
    ("overrides", "difference"),
    [
        (
            {"block.norm": "instance"},
            {
                "block.norm": ["batch", "instance"],
                "block.norm.affine": ["true", "false"],
                "block.norm.track_running_stats": ["true", "false"],
            },
        ),
        ({"decoder.block.repeats": 3}, {"decoder.block.repeats": ["2", "3"], "encoder.block.repeats": None}),
        ({"levels.1.encoder.block.repeats": 3}, {"encoder.1.block.repeats": ["2", "3"]}),
        (
            {"levels.0.skip": "none"},
            {"decoder.0.skip.fusion": ["concat", "none"], "decoder.0.skip.align": ["pad", None]},
        ),
        ({"out_channels": 5}, {"out_channels": ["2", "5"]}),
        ({"widths": [4, 8, 32]}, {"widths": ["[4, 8, 16]", "[4, 8, 32]"]}),
        ({"decoder.widths": [8, 8]}, {"decoder.widths": ["mirrored", "[8, 8]"]}),
        ({"head.kernel_size": 3}, {"head.kernel_size": ["1", "3"]}),
        ({"checkpointing": ["encoder.0"]}, {"checkpointing": ["[]", "[encoder.0]"]}),
        ({"init": "he_normal"}, {"init": ["torch_default", "he_normal"]}),
        (
            {"upsample": {"type": "interpolate", "mode": "linear"}},
            {
                "upsample": ["transposed_conv", "interpolate"],
                "upsample.kernel_size": ["2", "1"],
                "upsample.padding": ["0", "zeros"],
                "upsample.mode": [None, "linear"],
            },
        ),
        (
            {"block": {"type": "residual", "kernel_size": 5, "norm": "batch"}},
            {
                "block": ["conv", "residual"],
                "block.kernel_size": ["3", "5"],
                "block.padding": ["zeros", "valid"],
                "block.bias": ["false", "true"],
            },
        ),
    ],
)  # fmt: skip
def test_differences_are_told_as_coarsely_as_they_are(overrides: dict[str, Any], difference: dict[str, Any]) -> None:
    expected = {path: values for path, values in difference.items() if values}
    assert diff_overrides(**overrides) == expected


def test_an_option_of_one_type_is_told_where_those_of_that_type_differ_in_it() -> None:
    modes = [{**SMALL, "upsample": {"type": "interpolate", "mode": mode}} for mode in ("linear", "nearest")]
    differences = diff_specs(SMALL, *modes)
    assert differences["upsample"] == ["transposed_conv", "interpolate", "interpolate"]
    assert differences["upsample.mode"] == [None, "linear", "nearest"]


def test_levels_that_one_network_does_not_have_are_left_out() -> None:
    assert set(diff_overrides(depth=1)) == {"depth", "widths"}


@pytest.mark.parametrize("name", ["attention_unet", "nnunet_3d", "smp_unet_resnet34", "u2net", "unet3plus_ds"])
def test_every_kind_of_network_can_be_compared(name: str) -> None:
    assert "depth" in diff_specs("unet_paper", name) or diff_specs("unet_paper", name)


SAID: dict[str, list[Any]] = {
    "block": ["conv", {"type": "residual", "padding": "zeros"}, {"type": "residual", "padding": "zeros", "repeats": 1}],
    "decoder.block": [{"repeats": 1}, {"type": "dense", "padding": "zeros"}],
    "levels.1.block.norm": ["batch", {"type": "group", "groups": 2}, {"type": "group", "groups": 4}],
    "upsample": ["transposed_conv", {"type": "interpolate", "mode": "linear"}, {"type": "interpolate"}],
    "levels.0.skip": ["none", {"fusion": "concat", "transform": "attention_gate"}],
    "skip.align": ["strict", "pad", {"type": "pad", "mode": "reflect"}],
    "init": ["torch_default", "he_normal"],
    "depth": [1, 2],
    "decoder.widths": [[4, 8], [8, 8]],
    "head": [{"kernel_size": 3}, "deep_supervision"],
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in SAID.items()}), min_size=2, max_size=3
    )
)
def test_something_is_told_wherever_hashes_differ(overrides: list[dict[str, Any]]) -> None:
    specs = []
    for override in overrides:
        try:
            specs.append(unetgen.load_spec(SMALL, **override))
        except unetgen.SpecError:
            reject()
    differences = find_differing_settings([flatten_settings(spec) for spec in specs])
    assert bool(differences) == (len({spec.hash for spec in specs}) > 1)
    for values in differences.values():
        assert len(values) == len(specs)


REPLACED = ("block", "downsample", "upsample", "skip", "head", "init", "input", "encoder", "decoder", "levels")


@st.composite
def related_specs(draw: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two random specs with some settings in common."""
    first, second = draw(spec_strategies.specs(dims=2)), draw(spec_strategies.specs(dims=2))
    replaced = draw(st.lists(st.sampled_from(REPLACED), min_size=1, max_size=2))
    rest = {key: value for key, value in first.items() if key not in replaced}
    return first, rest | {key: second[key] for key in replaced if key in second}


def draw_graph(spec: unetgen.Spec) -> list[Any]:
    """Return everything that a graph draws."""
    graph = build_graph(spec)
    nodes = [(node.path, node.op, tuple(node.inputs), node.channels) for node in graph.nodes]
    return [nodes, [(output.name, tuple(output.nodes), output.is_list) for output in graph.outputs]]


@pytest.mark.effort
@settings(ROTATING, max_examples=num_examples(12))
@given(spec_strategies.specs(dims=2), related_specs())
def test_equal_tables_imply_equal_graphs(anchor: dict[str, Any], pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    try:
        base, *networks = [unetgen.load_spec(spec) for spec in (anchor, *pair)]
        graphs = [draw_graph(spec) for spec in networks]
    except unetgen.SpecError:
        reject()
    first, second = map(flatten_settings, networks)
    if graphs[0] != graphs[1]:
        assert find_differing_settings([first, second])
        tables = [find_differing_settings([flatten_settings(base), flat]) for flat in (first, second)]
        assert tables[0] != tables[1]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"heads": {"mask": {"type": "conv"}, "kind": {"type": "classification"}}}, "heads.kind"),
        ({"levels.2.block.norm": "instance"}, "bottleneck.block.norm"),
        ({"block": {"type": "residual", "repeats": 3}}, "block.repeats"),
    ],
)
def test_settings_that_the_other_network_lacks_are_listed(change: dict[str, Any], column: str) -> None:
    without_head = {key: value for key, value in unetgen.load_spec(SMALL).resolved().items() if key != "head"}
    changed = without_head | change if "heads" in change else SMALL
    overrides = {} if "heads" in change else change
    flat = [
        flatten_settings(unetgen.load_spec(SMALL, depth=1)),
        flatten_settings(unetgen.load_spec(changed, **overrides)),
    ]
    assert column in find_differing_settings(flat)


# The table


def test_two_networks_stand_beside_each_other(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    outcome = run_cli("compare", "unet_paper", "unet_milesial")
    assert outcome.code == 0
    assert outcome.err == (
        "note: input sizes differ, so MACs, memory and outputs are not comparable; set --input-size\n"
    )
    check_golden("compare_two.txt", outcome.out)


def test_networks_of_other_axes_are_told_as_such(run_cli: RunCli) -> None:
    outcome = run_cli("compare", "unet_paper", "unet_3d", "--input-size", "188")
    assert outcome.err == (
        "note: networks have 2 and 3 spatial dimensions, so MACs, memory and outputs are for different inputs\n"
    )
    outcome = run_cli("compare", "unet_paper", "unet_milesial", "unet_3d")
    assert outcome.err == (
        "note: networks have 2 and 3 spatial dimensions, so MACs, memory and outputs are for different inputs\n"
        "note: input sizes differ, so MACs, memory and outputs are not comparable; set --input-size\n"
    )


def test_what_is_wrong_with_a_size_is_told_with_the_network(run_cli: RunCli, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: unet_1d\nschema_version: 1\nname: other\n")
    outcome = run_cli("compare", "unet_paper", "unet_1d", str(file), "--input-size", "188")
    sentence = (
        "input_size: 188 on axis L gives 47 at level 2, which max_pool cannot halve; "
        "nearest that fit: 176 (output 176), 192 (output 192); or add 'input: pad'\n"
    )
    assert outcome == (1, "", f"{file}: {sentence}unet_1d: {sentence}")


def test_a_setting_of_the_name_of_a_column_has_one_of_its_own(run_cli: RunCli, tmp_path: Path) -> None:
    for name, size in [("zeros", 32), ("none", 64)]:
        text = (
            f"extends: unet_milesial\nschema_version: 1\nname: {name}\nwidths: [4, 8]\ninput_size: [{size}, {size}]\n"
        )
        (tmp_path / f"{name}.yaml").write_text(
            text + ("input: pad\nskip: {align: strict}\n" if name == "zeros" else "")
        )
    records = json.loads(run_cli("compare", str(tmp_path), "--format", "json").out)
    assert [record["input"] for record in records] == ["3x64x64", "3x32x32"]
    assert [record["input.type"] for record in records] == ["none", "pad"]


def test_many_networks_are_rows(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    names = ["unet_tutorial", "unet_milesial", "unet_milesial_bilinear", "attention_unet", "unetplusplus"]
    outcome = run_cli("compare", *names, "--input-size", "256", "--base", "unet_milesial", "--sort", "params")
    assert (outcome.code, outcome.err) == (0, "")
    check_golden("compare_many.txt", outcome.out)


def test_one_network_is_shown_alone(run_cli: RunCli) -> None:
    outcome = run_cli("compare", "unet_paper", "--format", "json")
    (record,) = json.loads(outcome.out)
    assert record == {
        "name": "unet_paper",
        "params": 31030658,
        "macs": 150428424448,
        "memory": 751784128,
        "inference_memory": 201914432,
        "receptive_field": 204,
        "output": "2x388x388",
        "hash": unetgen.load_spec("unet_paper").hash,
    }


@pytest.fixture
def variants(tmp_path: Path) -> Path:
    write_sweep(sweep(SWEEP), tmp_path / "variants")
    return tmp_path / "variants"


def test_a_directory_is_compared_in_the_order_of_its_index_with_its_base(variants: Path, run_cli: RunCli) -> None:
    outcome = run_cli("compare", str(variants))
    lines = outcome.out.splitlines()
    index = json.loads((variants / "index.json").read_text())
    assert [line.split()[0] for line in lines[1:]] == [entry["name"] for entry in index["variants"]]
    base = next(line for line in lines if line.startswith("base-"))
    assert "  -  " in base  # by how much it differs from itself


def test_a_directory_without_an_index_is_all_of_its_specs(variants: Path, run_cli: RunCli) -> None:
    (variants / "index.json").unlink()
    records = json.loads(run_cli("compare", str(variants), "--format", "json").out)
    assert [f"{record['name']}.yaml" for record in records] == sorted(path.name for path in variants.glob("*.yaml"))


def test_every_number_is_the_reports(variants: Path, run_cli: RunCli) -> None:
    for record in json.loads(run_cli("compare", str(variants), "--format", "json").out):
        spec = unetgen.load_spec(str(variants / f"{record['name']}.yaml"))
        report = NetworkReport.of(spec, unetgen.graph_of(spec))
        assert {name: record[name] for name in COST_METRICS} == {
            name: m.compute(report) for name, m in COST_METRICS.items()
        }
        assert record["hash"] == spec.hash


def test_networks_of_one_name_are_told_apart(tmp_path: Path, run_cli: RunCli) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("extends: unet_milesial\nname: same\nschema_version: 1\n")
    files = [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]
    outcome = run_cli("compare", *files, files[1], "--format", "json")
    assert [record["name"] for record in json.loads(outcome.out)] == ["same", files[1], f"{files[1]} (2)"]
    assert outcome.err == f"note: same and {files[1]} and {files[1]} (2) are the same architecture\n"


def test_specs_without_a_size_are_measured_at_one_that_fits_all(tmp_path: Path, run_cli: RunCli) -> None:
    head = "schema_version: 1\nin_channels: 1\nout_channels: 1\nblock: {padding: zeros}\n"
    for name, widths in [("deep", [4, 4, 8, 8]), ("flat", [4, 8])]:
        (tmp_path / f"{name}.yaml").write_text(f"{head}name: {name}\nwidths: {widths}\n")
    outcome = run_cli("compare", str(tmp_path), "--format", "csv")
    assert outcome.err == "note: specs without an input size are measured at 64 x 64\n"
    assert "input" not in outcome.out.splitlines()[0]


# Order and choice


def test_rows_are_sorted_by_any_column_either_way(variants: Path, run_cli: RunCli) -> None:
    def sorted_values(column: str, key: str) -> list[Any]:
        rows = json.loads(run_cli("compare", str(variants), "--sort", column, "--format", "json").out)
        return [row[key] for row in rows]

    assert sorted_values("params", "params") == sorted(sorted_values("params", "params"))
    assert sorted_values("-macs", "macs") == sorted(sorted_values("macs", "macs"), reverse=True)
    assert sorted_values("depth", "depth") == ["1", "1", "2", "2"]
    assert sorted_values("-skip.fusion", "skip.fusion") == ["concat", "concat", "add", "add"]
    assert sorted_values("widths", "widths") == ["[4, 8]", "[4, 8]", "[4, 8, 16]", "[4, 8, 16]"]


def test_rows_are_sorted_by_the_heads_that_people_see(variants: Path, run_cli: RunCli) -> None:
    def names(column: str) -> list[str]:
        rows = json.loads(run_cli("compare", str(variants), "--sort", column, "--format", "json").out)
        return [row["name"] for row in rows]

    heads = {"MACs": "macs", "training": "memory", "inference": "inference_memory", "field": "receptive_field"}
    for head, name in {**heads, "network": "name"}.items():
        assert names(head) == names(name)
        assert names(f"-{head}") == names(f"-{name}")
    *others, base = names("± params")
    assert base.startswith("base-")  # by how much it differs from itself is nothing
    assert others == [name for name in names("params") if name != base]


def test_lists_and_shapes_are_sorted_as_numbers_and_what_is_not_there_is_last(tmp_path: Path, run_cli: RunCli) -> None:
    head = "schema_version: 1\nextends: unet_milesial\n"
    for name, text in {
        "a": "widths: [16, 32]\ninput_size: [100, 100]\nupsample: {type: interpolate, mode: linear}\n",
        "b": "widths: [4, 8, 16]\ninput_size: [1000, 1000]\n",
        "c": "widths: [4, 8]\ninput_size: [64, 64]\nupsample: {type: interpolate, mode: nearest}\n",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(f"{head}name: {name}\n{text}")

    def sorted_names(column: str) -> str:
        rows = json.loads(run_cli("compare", str(tmp_path), "--sort", column, "--format", "json").out)
        return "".join(row["name"] for row in rows)

    assert (sorted_names("widths"), sorted_names("-widths")) == ("cba", "abc")
    assert (sorted_names("output"), sorted_names("-input")) == ("cab", "bac")
    assert (sorted_names("upsample.mode"), sorted_names("-upsample.mode")) == ("acb", "cab")


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_beats(points: list[tuple[int, int]]) -> None:
    rows = {}
    for number, (params, field) in enumerate(points):
        costs = {"params": params, "receptive_field": field}
        rows[str(number)] = _Point(costs)
    comparison = Comparison(rows, "0")  # type: ignore[arg-type]

    def dominates(one: tuple[int, int], other: tuple[int, int]) -> bool:
        # Fewer parameters are better, and a wider field is.
        return one[0] <= other[0] and one[1] >= other[1] and one != other

    best = [str(n) for n, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    assert comparison.find_pareto_front(["params", "receptive_field"], list(rows)) == best


class _Point:
    def __init__(self, costs: dict[str, int]) -> None:
        self.costs = costs


def test_the_front_is_kept_and_counted(variants: Path, run_cli: RunCli) -> None:
    outcome = run_cli("compare", str(variants), "--pareto", "params", "macs", "--format", "json")
    assert len(json.loads(outcome.out)) == 1
    assert outcome.err == "note: 1 of 4 networks are Pareto-optimal in parameters and MACs\n"


# Formats

CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, st.none() | st.integers(0, 10**9)), min_size=1, max_size=5))
@example([("[1]", "[2]", None), ("*", "*", 3)])
def test_every_format_keeps_every_cell(rows: list[tuple[str, str, int | None]]) -> None:
    columns = (Column("a", "First|title"), Column("b", "second_title"), Column("n", "number", is_numeric=True))
    table = DataTable(columns, tuple(rows))
    read = list(csv.reader(io.StringIO(table.csv())))
    assert read[0] == ["a", "b", "n"]
    assert read[1:] == [[a, b, "" if n is None else str(n)] for a, b, n in rows]
    assert json.loads(table.json()) == [{"a": a, "b": b, "n": n} for a, b, n in rows]
    assert _markdown_cells(table.markdown()) == [
        ["First|title", "second_title", "number"],
        *([a, b, "-" if n is None else str(n)] for a, b, n in rows),
    ]
    assert _latex_cells(table.latex()) == [
        ["First|title", "second_title", "number"],
        *([*(cell.replace('"', "''") for cell in (a, b)), "-" if n is None else str(n)] for a, b, n in rows),
    ]


# LaTeX escapes of single characters, and the tokens that end a cell or a row.
SPELT = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"$\pm$": "\u00b1", **{f"\\{letter}": letter for letter in "&%$#_{}"},
}  # fmt: skip
TOKEN = re.compile("|".join([*map(re.escape, SPELT), r" & ?", r"[^\\&%$#_{}~^<>|\"]"]))


def _latex_cells(text: str) -> list[list[str]]:
    """Parse the cells of a LaTeX table."""
    first, top, titles, middle, *rows, bottom, last = text.splitlines()
    assert (top, middle, bottom, last) == (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}")
    columns = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", first)
    assert columns
    cells = [_latex_row(row) for row in (titles, *rows)]
    assert {len(row) for row in cells} == {len(columns[1])}
    return cells


def _latex_row(text: str) -> list[str]:
    assert text.endswith(r" \\")
    # These would be an argument of the rule or the row above.
    assert not text.startswith(("[", "*"))
    rest, cells = text.removesuffix(r" \\").removeprefix("{}"), [""]
    while rest:
        token = TOKEN.match(rest)
        assert token, rest
        if token[0].startswith(" &"):
            cells.append("")
        else:
            cells[-1] += SPELT.get(token[0], token[0])
        rest = rest[token.end() :]
    return cells


def _markdown_cells(text: str) -> list[list[str]]:
    """Parse the cells of a table as GitHub does."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).enable("table").parse(text)
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            assert {child.type for child in token.children or []} <= {"text", "text_special"}
            rows[-1].append("".join(child.content for child in token.children or []))
    return rows


def test_a_latex_table(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    check_golden("compare.tex", run_cli("compare", "unet_paper", "unet_milesial", "--format", "latex").out)


def test_a_table_is_written_to_a_file(tmp_path: Path, run_cli: RunCli) -> None:
    for table_format in ("text", "csv", "markdown", "latex", "json"):
        file = tmp_path / f"table.{table_format}"
        printed = run_cli("compare", "unet_paper", "unet_milesial", "--format", table_format).out
        assert run_cli("compare", "unet_paper", "unet_milesial", "--format", table_format, "-o", str(file)).out == ""
        assert file.read_text() == printed


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (31030658, "31.03 M"), (150428424448, "150.4 G"), (999_960, "1.00 M")],
)
def test_counts_have_four_digits(value: int, shown: str) -> None:
    assert format_count(value) == shown


@given(st.integers(0, 10**17))
def test_counts_are_near_what_they_count(value: int) -> None:
    number, _, unit = format_count(value).replace(",", "").partition(" ")
    scale = dict(zip(["", "k", "M", "G", "T", "P"], itertools.count(0, 3), strict=False))[unit]
    assert float(number) * 10**scale == pytest.approx(value, rel=5.1e-3)
    assert format_bytes(value).endswith("B")


@pytest.mark.parametrize("count", [80, pytest.param(300, marks=pytest.mark.slow)])
def test_many_variants_are_as_many_rows_in_every_format(count: int, tmp_path: Path) -> None:
    rates = ", ".join(f"0.{number:03d}" for number in range(1, count // 2 + 1))
    base = "{extends: unet_milesial, widths: [2, 4], block: {repeats: 1}, input_size: [8, 8]}"
    write_sweep(
        sweep(f"base: {base}\naxes: {{block.dropout: [{rates}], skip.fusion: [concat, add]}}\n"), tmp_path / "out"
    )
    comparison = Comparison.of([str(tmp_path / "out")], load_registry())
    table = comparison.to_table(comparison.sort_names("-params"))
    assert len(json.loads(table.json())) == count
    assert len(list(csv.reader(io.StringIO(table.csv())))) == count + 1
    assert len(_markdown_cells(table.markdown())) == count + 1
    assert len(_latex_cells(table.latex())) == count + 1
    assert len(table.text().splitlines()) == count + 1


# Weights


def compare_weights(one: Any, other: Any) -> dict[str, str]:
    """Return the status of each module with tensors, by path."""
    specs = [unetgen.load_spec(spec) for spec in (one, other)]
    inits = [collect_module_inits(spec, unetgen.graph_of(spec)) for spec in specs]
    spread = {}
    for row in compare_modules(inits[0], inits[1:]):
        every = {**inits[0], **inits[1]}
        # One network's module can be the other's scope of modules.
        alone = row.num_modules == 1 and row.path in every
        below = [p for p in every if p == row.path or (p.startswith(f"{row.path}.") and not alone)]
        assert len(below) == row.num_modules
        spread |= dict.fromkeys(below, row.statuses[0])
    return spread


CHANGES = [
    {"skip.fusion": "add"},
    {"upsample": "interpolate"},
    {"levels.0.encoder.block.repeats": 3},
    {"block.norm": {"type": "group", "groups": 2}},
    {"init": "he_normal"},
    {"depth": 1},
    {"head.kernel_size": 3},
    {"block.activation": {"type": "prelu", "start": 0.1}},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_is_told_of_first_weights_is_what_torch_has(change: dict[str, Any], single_torch_thread: None) -> None:
    specs = [unetgen.load_spec(SMALL), unetgen.load_spec(SMALL, **change)]
    built = [dict(unetgen.build(spec, seed=3).named_parameters()) for spec in specs]
    statuses = compare_weights(*specs)
    modules = {key.rpartition(".")[0] for keys in built for key in keys}
    assert set(statuses) == modules
    for path in modules:
        ours, theirs = ({k: v for k, v in b.items() if k.rpartition(".")[0] == path} for b in built)
        if not ours or not theirs:
            assert statuses[path] == (ADDED if not ours else ABSENT)
        elif {k: v.shape for k, v in ours.items()} != {k: v.shape for k, v in theirs.items()}:
            assert statuses[path] == DIFFERENT_SHAPE
        else:
            equal = all(torch.equal(ours[key], theirs[key]) for key in ours)
            assert statuses[path] == (SAME if equal else DIFFERENT_INIT)


def test_weights_of_a_directory_are_compared_with_its_base(variants: Path, run_cli: RunCli) -> None:
    names = [entry["name"] for entry in json.loads((variants / "index.json").read_text())["variants"]]
    base = next(name for name in names if name.startswith("base-"))
    assert names[0] != base
    (record, *_) = json.loads(run_cli("compare", str(variants), "--weights", "--format", "json").out)
    assert [*record] == ["module", "modules", *(name for name in names if name != base)]
    (record, *_) = json.loads(
        run_cli("compare", str(variants), "--weights", "--base", names[0], "--format", "json").out
    )
    assert [*record] == ["module", "modules", *names[1:]]


def test_weights_are_told_as_a_table(run_cli: RunCli, check_golden: Callable[[str, str], None], tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("extends: unet_milesial\nschema_version: 1\nname: sums\nskip: {fusion: add}\n")
    outcome = run_cli("compare", "unet_milesial", str(tmp_path / "b.yaml"), "unet_milesial_bilinear", "--weights")
    assert outcome.code == 0
    check_golden("compare_weights.txt", outcome.out)


WRAPPED = '''\
from typing import ClassVar

from unetgen.authoring import Block, hookimpl


class Mixed(Block):
    """An ordinary module."""

    type: ClassVar[str] = "mixed"
    groups: int = 1

    def emit(self, g, x, channels):
        arguments = {"in_channels": x.channels, "out_channels": channels, "kernel_size": 1, "groups": self.groups}
        return g.module(self, "torch.nn:Conv2d", x, channels=channels, size="same", arguments=arguments, name="mix")


@hookimpl
def unetgen_parts():
    return [Mixed]
'''


def test_wrapped_modules_are_compared_by_their_arguments(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", WRAPPED)
    specs = [{**SMALL, "in_channels": 2, "block": {"type": "mixed", "groups": groups}} for groups in (1, 1, 2)]
    assert set(compare_weights(specs[0], specs[1]).values()) == {SAME}
    assert compare_weights(specs[0], specs[2])["encoder.0.mix"] == DIFFERENT_SHAPE


# Errors


def test_wrong_input_is_told(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("extends: unet_paper\nwdiths: [8]\nschema_version: 1\n")
    (tmp_path / "worse.yaml").write_text("extends: unet_paper\nblock: {nrom: batch}\nschema_version: 1\n")
    (tmp_path / "empty").mkdir()
    bad, worse, empty = (str(tmp_path / name) for name in ("bad.yaml", "worse.yaml", "empty"))
    assert run_cli("compare", bad, "unet_paper", worse) == (
        1,
        "",
        f"{bad}:2:1: wdiths: unknown key; did you mean 'widths'?\n"
        f"{worse}:2:9: block.nrom: unknown option of block 'conv'; did you mean 'norm'?\n",
    )
    assert run_cli("compare", empty).err == f"no specs found in {empty}; give specs or a sweep directory\n"
    (tmp_path / "empty" / "index.json").write_text("{}")
    assert run_cli("compare", empty).err == (
        f"{empty}/index.json is not the index of a sweep; write the sweep again, or delete the file to use all specs in its folder\n"
    )
    (tmp_path / "empty" / "index.json").write_text('{"base": {"hash": "0"}, "variants": []}')
    assert run_cli("compare", empty).err == f"no specs found in {empty}; give specs or a sweep directory\n"
    assert run_cli("compare", "unet_paper", "unet_3d", "--input-size", "64x64").err == (
        "unet_3d: input_size: 64 x 64 has 2 numbers, but the network has 3 dimensions; give one number for all dimensions\n"
        "unet_paper: input_size: 64 on axis H gives 9 at level 2, which max_pool cannot halve; the smallest that fits is 188 (output 4)\n"
        "unet_paper: input_size: 64 on axis W gives 9 at level 2, which max_pool cannot halve; the smallest that fits is 188 (output 4)\n"
    )
    assert run_cli("compare", "unet_paper", "unet_milesial", "--sort", "parms").err == (
        "unknown column 'parms' to sort by; did you mean 'params'?\n"
    )
    for column in ("", "-", "speed"):
        assert run_cli("compare", "unet_paper", "unet_paper", "--sort", column) == (
            1,
            "",
            f"unknown column {column!r} to sort by; "
            "use one of name, params, macs, memory, inference_memory, receptive_field, output, hash\n",
        )
    assert run_cli("compare", "unet_paper", "unet_milesial", "--base", "unet_papre").err == (
        "'unet_papre' is not one of the networks; did you mean 'unet_paper'?\n"
    )
    assert run_cli("compare", "unet_paper", "unet_milesial", "--base", "vnet").err == (
        "'vnet' is not one of the networks; use one of unet_paper, unet_milesial\n"
    )
    assert run_cli("compare", "unet_paper", "--input-size", "100").err.splitlines()[0] == (
        "unet_paper: input_size: 100 on axis H gives 5 at level 3, which max_pool cannot halve; "
        "the smallest that fits is 188 (output 4)"
    )
    single = run_cli("compare", "unet_paper", "--weights")
    assert (single.code, single.err.splitlines()[-1]) == (2, "Error: --weights requires at least two networks")
    assert run_cli("compare", "unet_paper", "--pareto", "params", "speed").code == 2


def test_a_directory_of_one_variant_has_nothing_to_compare_weights_with(run_cli: RunCli, tmp_path: Path) -> None:
    write_sweep(sweep(SWEEP.partition("axes")[0]), tmp_path / "one")
    (file,) = (tmp_path / "one").glob("*.yaml")
    assert run_cli("compare", str(tmp_path / "one"), "--weights") == (
        1,
        "",
        f"cannot compare initial weights: {file.stem} is the only network in {tmp_path / 'one'}; give two networks\n",
    )


@pytest.mark.parametrize(
    ("option", "values"), [("--sort", ["params"]), ("--pareto", ["params", "macs"]), ("--input-size", ["64"])]
)
def test_what_says_nothing_of_first_weights_is_refused(option: str, values: list[str], run_cli: RunCli) -> None:
    outcome = run_cli("compare", "unet_paper", "unet_milesial", "--weights", option, *values)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1] == (f"Error: {option} has no effect with --weights; remove one of them")


@pytest.mark.parametrize("weights", [[], ["--weights"]])
def test_a_file_that_cannot_be_written_is_told(weights: list[str], run_cli: RunCli, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 100)
    for file, message in [
        ("", "cannot write .: is a directory"),
        (str(long), f"cannot write {long}: file name too long"),
    ]:
        outcome = run_cli("compare", "unet_paper", "unet_milesial", *weights, "-o", file)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.splitlines()[-1] == f"Error: {message}; choose another file"
