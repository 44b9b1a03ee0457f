"""What a sweep holds fixed: the output window, the input size, or the nearest input size that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unetgen
from support.command_line import RunCli
from support.effort import ROTATING, num_examples
from unetgen.ablation.sweeps.directory.writer import write_sweep
from unetgen.ablation.sweeps.held_size import choose_input_size
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.errors import Problem
from unetgen.graph.from_spec import build_graph
from unetgen.graph.size_errors import accepts_size, merge_axis_problems

BASE = {"extends": "unet_paper", "widths": [2, 4, 8], "depth": 2, "input_size": [60, 60]}
AXES = {"depth": [1, 2], "block.repeats": [1, 2, 3]}


def measure_variants(**source: Any) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Return the label, the input size and the output size of each variant."""
    variants = sweep({"base": BASE, **source})
    return [(v.label, v.report.input_size, v.report.out_shape[1:]) for v in variants]


def test_the_default_holds_the_output_window() -> None:
    window = (20, 20)
    for label, input_size, output_size in measure_variants(axes=AXES):
        spec = unetgen.load_spec(BASE, **dict(_parse_label(label)))
        graph = build_graph(spec)
        assert all(length >= wanted for length, wanted in zip(output_size, window, strict=True))
        covering = [n for n in range(1, 200) if (graph.output_along(0, n) or 0) >= 20]
        assert input_size == (covering[0],) * 2


def _parse_label(label: str) -> list[tuple[str, int]]:
    pairs = [part.split("=") for part in label.split(",") if "=" in part]
    return [(path, int(value)) for path, value in pairs]


def test_inputs_are_equal_or_as_near_as_they_fit() -> None:
    with pytest.raises(unetgen.SpecError) as error:
        measure_variants(axes=AXES, hold="input")
    assert str(error.value) == (
        "input_size: in block.repeats=1: 60 on axes H and W gives 27 at level 1, which max_pool cannot halve; "
        "nearest that fit: 58 (output 38), 62 (output 42)\n"
        "input_size: in block.repeats=3: 60 on axes H and W gives 21 at level 1, which max_pool cannot halve; "
        "the smallest that fits is 62 (output 2)"
    )
    sizes = {label: size for label, size, _ in measure_variants(axes=AXES, hold="nearest_input")}
    assert sizes["base"] == (60, 60)
    assert all(abs(length - 60) <= 2 for size in sizes.values() for length in size)


def test_padded_networks_cover_the_window_too() -> None:
    base = {"extends": "unet_paper", "widths": [2, 4, 8], "depth": 2, "block": {"padding": "zeros"}}
    base |= {"input_size": [12, 12], "widths": {"base": 2}}
    source = {"base": base, "axes": {"depth": [1, 2, 3]}}
    assert [v.report.input_size for v in sweep(source)] == [(12, 12), (12, 12), (16, 16)]


def test_a_size_that_an_axis_sets_is_kept() -> None:
    axes = {"input_size": [[60, 60], [64, 64]]}
    assert [size for _, size, _ in measure_variants(axes=axes)] == [(60, 60), (64, 64)]


def test_matched_variants_keep_the_window() -> None:
    match = {"params": "base", "tolerance": "30%", "multiple": 1}
    for variant in sweep({"base": BASE, "axes": {"block.repeats": [2, 3]}, "match": match}):
        assert variant.report.out_shape[1] >= 20
        assert variant.settings.get("input_size") == (list(variant.resized_to) if variant.resized_to else None)


@pytest.mark.parametrize("style", ["resolved", "overlay"])
def test_written_variants_have_the_input_size(style: Any, tmp_path: Path) -> None:
    loaded = sweep({"base": BASE, "axes": AXES})
    write_sweep(loaded, tmp_path / "out", style)
    for variant in sweep({"base": BASE, "axes": AXES}):
        assert unetgen.load_spec(tmp_path / "out" / variant.filename).hash == variant.spec.hash
    assert '"window": [\n  20,\n  20\n ]' in (tmp_path / "out" / "index.json").read_text()


def test_a_size_cannot_be_held_if_the_base_has_none() -> None:
    with pytest.raises(unetgen.SpecError) as error:
        sweep("base: {in_channels: 1, out_channels: 2, widths: [2, 4]}\nhold: output\n")
    assert str(error.value) == (
        "<text>:2:1: hold: 'hold' has no effect: the base has no input_size; set the base's input_size, or delete 'hold'"
    )


def test_a_window_that_no_input_covers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks with a single fitting size are the only ones, and only wrapped modules have one."""
    monkeypatch.setattr("unetgen.ablation.sweeps.sweep.choose_input_size", lambda *_: None)
    with pytest.raises(unetgen.SpecError) as error:
        measure_variants()
    assert str(error.value) == (
        "in base: no input size gives an output of at least 20 x 20; compare at equal inputs with 'hold: input'"
    )


def test_outputs_of_another_resolution_are_compared_at_equal_inputs() -> None:
    graph = build_graph(unetgen.load_spec(BASE))
    assert choose_input_size(graph, "output", (60, 60), None) == (60, 60)


def test_the_default_spec_is_ablated_without_options_on_one_screen(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "base: unet_paper\n"
        "axes: {depth: [2, 3, 4], block.repeats: [1, 2, 3], skip.fusion: [concat, add, none],\n"
        "  upsample: [transposed_conv, {type: interpolate, mode: linear}]}\n"
    )
    outcome = run_cli("sweep", str(tmp_path / "s.yaml"))
    assert outcome.code == 0
    assert outcome.out.endswith("s: 54 variants of unet_paper\n")
    assert outcome.err.splitlines()[0] == (
        "note: 48 variants with another input size than the base: the smallest that outputs 388 x 388 or more; "
        "compare that output window (hold: output)"
    )
    assert len((outcome.out + outcome.err).splitlines()) <= 40


def test_equal_findings_of_two_axes_are_one_problem() -> None:
    problems = [Problem("size", "input_size", f"7 on axis {axis} does not fit", "use 8") for axis in "DHW"]
    other = Problem("size", "input_size", "9 on axis W does not fit", "use 8")
    assert [str(problem) for problem in merge_axis_problems([*problems, other])] == [
        "input_size: 7 on axes D, H and W does not fit; use 8",
        "input_size: 9 on axis W does not fit; use 8",
    ]


@pytest.mark.effort
@settings(ROTATING, max_examples=num_examples(25))
@given(
    st.sampled_from(["output", "nearest_input"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["valid", "zeros"]),
    st.sampled_from(["concat", "add", "none"]),
)
def test_whatever_is_chosen_fits_and_covers(held: Any, depth: int, repeats: int, padding: str, fusion: str) -> None:
    axes = {"depth": [depth], "block.repeats": [repeats], "block.padding": [padding], "skip.fusion": [fusion]}
    base = {**BASE, "widths": {"base": 2}}
    for outcome in sweep({"base": base, "axes": axes, "hold": held}).outcomes():
        assert isinstance(outcome, Variant)
        assert accepts_size(outcome.graph, outcome.report.input_size)
        assert held != "output" or min(outcome.report.out_shape[1:]) >= 20
        assert outcome.spec.input_size == outcome.report.input_size
