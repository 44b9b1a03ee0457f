"""Matched budgets: every variant reaches the target, or is reported with the nearest reachable values."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unetgen
from unetgen.ablation.sweeps.matching.scale_grid import ScaleGrid
from unetgen.ablation.sweeps.matching.search import _iter_moves
from unetgen.ablation.sweeps.outcome import BudgetNotReached, Duplicate, Excluded, Invalid
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.analysis.measures import COST_METRICS
from unetgen.analysis.report import NetworkReport

# Fusion x upsampling x depth x block x norm x dims: 360 combinations.
GRID = """
base: {extends: unet_milesial, widths: [32, 64, 128, 256], input_size: [64, 64]}
axes:
  dims: {plane: {}, volume: {dims: 3, input_size: [16, 16, 16]}}
  skip: [concat, add, none, {fusion: concat, transform: attention_gate}, {fusion: add, transform: attention_gate}]
  upsample: [transposed_conv, {type: interpolate, mode: linear}, pixel_shuffle]
  depth: [2, 3]
  block: [{type: conv, padding: zeros}, {type: residual, padding: zeros}, {type: convnext, padding: zeros}]
  block.norm: [batch, {type: group, groups: 8}]
"""

TINY = {"extends": "unet_milesial", "widths": [8, 16, 32], "input_size": [32, 32]}

SMALL = {"extends": "unet_milesial", "widths": [16, 32, 64], "input_size": [64, 64]}


def list_outcomes(source: Any) -> list[Any]:
    return list(sweep(source).outcomes())


def single_outcome(source: Any) -> Any:
    """Return the outcome of a sweep with one combination."""
    (outcome,) = list_outcomes(source)
    return outcome


@pytest.mark.parametrize("measure", ["params", pytest.param("macs", marks=pytest.mark.slow)])
def test_every_variant_of_a_grid_is_matched_or_told_with_the_nearest(measure: str) -> None:
    matched_sweep = sweep(GRID + f"match: {{{measure}: base}}\n")
    target = COST_METRICS[measure].compute(matched_sweep.base_report)
    all_outcomes = [outcome for outcome in matched_sweep.outcomes() if not isinstance(outcome, Excluded)]
    assert len(all_outcomes) >= 200
    assert not [outcome for outcome in all_outcomes if isinstance(outcome, Invalid)]
    variants = [outcome for outcome in all_outcomes if isinstance(outcome, Variant)]
    unmatched = [outcome for outcome in all_outcomes if isinstance(outcome, BudgetNotReached)]
    for variant in variants:
        reached = COST_METRICS[measure].compute(variant.report)
        assert abs(reached / target - 1) <= 0.01
        assert reached == variant.match.best.value
        assert all(width % 8 == 0 for width in variant.spec.widths)
        assert variant.match.num_evaluations <= 48
    for outcome in unmatched:
        below, above = outcome.match.below, outcome.match.above
        assert below.value < 0.99 * target
        assert above.value > 1.01 * target
        for point in (below, above):
            assert COST_METRICS[measure].compute(point.report) == point.value
    assert len(unmatched) <= 0.1 * len(all_outcomes)


def test_a_variant_that_fits_is_left_as_it_is() -> None:
    variant = single_outcome({"base": TINY, "match": {"params": "base"}})
    assert variant.match.settings == {}
    assert variant.match.num_evaluations == 1
    assert (
        variant.name == f"base-{unetgen.load_spec('unet_milesial', widths=[8, 16, 32], input_size=[32, 32]).hash[:8]}"
    )


def test_a_target_can_be_a_number_and_steps_and_tolerance_can_be_said() -> None:
    match = {"params": 1_000_000, "tolerance": "0.5%", "multiple": 4}
    variant = single_outcome({"base": TINY, "match": match})
    assert abs(variant.report.cost.params / 1e6 - 1) <= 0.005
    assert all(width % 4 == 0 for width in variant.spec.widths)
    assert variant.settings == {"widths": list(variant.spec.widths)}


@pytest.mark.parametrize("measure", ["params", "macs", "memory", "inference_memory"])
@pytest.mark.parametrize("factor", [0.3, 4])
def test_every_measure_that_follows_the_widths_can_be_matched(measure: str, factor: float) -> None:
    base = {**TINY, "widths": [64, 128, 256]}
    target = int(factor * COST_METRICS[measure].compute(NetworkReport.of(*_spec_and_graph(base))))
    variant = single_outcome({"base": base, "match": {measure: target, "tolerance": 0.1, "multiple": 4}})
    assert abs(COST_METRICS[measure].compute(variant.report) / target - 1) <= 0.1


def test_a_receptive_field_is_matched_by_a_path() -> None:
    source = {
        "base": TINY,
        "axes": {"block.repeats": [1]},
        "match": {"receptive_field": "base", "by": "block.kernel_size", "tolerance": "10%"},
    }
    matched_sweep = sweep(source)
    (variant,) = matched_sweep.outcomes()
    assert variant.spec.encoder_levels[0].block.kernel_size == 5
    target = COST_METRICS["receptive_field"].compute(matched_sweep.base_report)
    assert abs(COST_METRICS["receptive_field"].compute(variant.report) / target - 1) <= 0.1


def test_widths_that_grow_are_matched_by_their_first() -> None:
    source = {
        "base": {**TINY, "depth": 2, "widths": {"base": 64, "growth": 2}},
        "axes": {"skip.fusion": ["add"]},
        "match": {"params": "base", "tolerance": "2%", "by": "widths.base"},
    }
    variant = single_outcome(source)
    first = variant.match.settings["widths.base"]
    assert first > 64
    assert variant.spec.widths == (first, 2 * first, 4 * first)
    assert 0 < abs(variant.match.deviation) <= 0.02


def test_what_widths_cannot_change_is_told_as_impossible() -> None:
    source = {"base": TINY, "axes": {"depth": [1]}, "match": {"receptive_field": "base"}}
    outcome = single_outcome(source)
    assert isinstance(outcome, BudgetNotReached)
    assert str(outcome.problems[0]) == (
        "match: no widths in multiples of 8 near these proportions give a network within 1 % of 44 pixels of receptive field; "
        "the nearest gives 18 with widths [8, 16]; raise the tolerance, lower 'multiple', or match by another path"
    )
    assert outcome.match.num_evaluations <= 4


def test_an_impossible_budget_is_told_with_the_nearest_two() -> None:
    outcome = single_outcome({"base": {**TINY, "widths": [8, 16]}, "match": {"params": 6000, "multiple": 8}})
    assert isinstance(outcome, BudgetNotReached)
    assert str(outcome.problems[0]).startswith(
        "match: no widths in multiples of 8 near these proportions give a network within 1 % of 6,000 parameters; "
        "the nearest give "
    )
    assert outcome.match.below.value < 6000 < outcome.match.above.value


def test_a_number_that_is_none_is_refused() -> None:
    outcome = single_outcome({"base": TINY, "axes": {"depth": [1]}, "match": {"params": "base", "by": "block.norm"}})
    assert isinstance(outcome, Invalid)
    assert str(outcome.problems[0]) == (
        "match: block.norm must be a positive whole number, but is 'batch'; "
        "rescale widths, or a path with a whole number in every variant"
    )


def test_steps_grow_until_groups_divide_the_channels() -> None:
    source = {
        "base": {**TINY, "widths": [36, 72, 144]},
        "axes": {"block.norm": [{"type": "group", "groups": 12}], "skip.fusion": ["add"]},
        "match": {"params": 700_000, "tolerance": "10%", "multiple": 3},
    }
    variant = single_outcome(source)
    assert variant.match.num_evaluations <= 4
    assert all(width % 12 == 0 for width in variant.spec.widths)


def test_widths_of_the_decoder_that_are_given_are_rescaled_too() -> None:
    base = {**TINY, "decoder": {"widths": [16, 16]}}
    variant = single_outcome({"base": base, "axes": {"depth": [2]}, "match": {"params": 200_000, "tolerance": "2%"}})
    assert set(variant.match.settings) == {"widths", "decoder.widths"}
    assert (
        unetgen.load_spec(
            {**base, "widths": variant.settings["widths"]}, **{"decoder.widths": variant.settings["decoder.widths"]}
        ).hash
        == variant.spec.hash
    )


def test_variants_that_become_the_same_by_matching_are_there_once() -> None:
    axes = {"size": {"small": {"widths": [8, 16, 32]}, "large": {"widths": [16, 32, 64]}}}
    all_outcomes = list_outcomes({"base": TINY, "axes": axes, "match": {"params": "base"}})
    assert [type(outcome).__name__ for outcome in all_outcomes] == ["Variant", "Duplicate"]


# Grid points


@pytest.mark.parametrize(
    ("widths", "axes", "tolerance"),
    [([16, 32, 64], {"widths": [[44, 28, 10]]}, "1%"), ([24, 20], {"skip.fusion": ["add"]}, "8%")],
)
def test_only_multiples_are_chosen_wherever_a_variant_starts(widths: list[int], axes: Any, tolerance: str) -> None:
    base = {**TINY, "widths": widths}
    variant = single_outcome(
        {"base": base, "axes": axes, "match": {"params": "base", "multiple": 8, "tolerance": tolerance}}
    )
    assert variant.match.settings
    assert all(width % 8 == 0 for width in variant.spec.widths)


def test_what_fits_as_it_is_stays_off_the_ladder() -> None:
    variant = single_outcome({"base": {**TINY, "widths": [10, 21]}, "match": {"params": "base", "multiple": 8}})
    assert variant.match.settings == {}
    assert variant.spec.widths == (10, 21)


def test_of_large_steps_only_the_smallest_is_told() -> None:
    outcome = single_outcome(
        {"base": SMALL, "axes": {"skip.fusion": ["add"]}, "match": {"params": "base", "multiple": 1024}}
    )
    assert str(outcome.problems[0]) == (
        "match: no widths in multiples of 1024 near these proportions give a network within 1 % of 117,378 parameters; "
        "the nearest gives 93,375,490 with widths [1024, 1024, 1024]; raise the tolerance, lower 'multiple', or match by another path"
    )


def test_beyond_all_networks_the_largest_is_told() -> None:
    outcome = single_outcome({"base": SMALL, "match": {"params": 999_999_999_999_999}})
    assert str(outcome.problems[0]) == (
        "match: no widths in multiples of 8 near these proportions give a network within 1 % of 999,999,999,999,999 "
        "parameters; the nearest gives 121,870,876,674 with widths [16384, 32768, 65536]; "
        "raise the tolerance, lower 'multiple', or match by another path"
    )


# Invalid networks and flat metrics during the search


@pytest.mark.parametrize("path", ["levels.0.block.repeats", "levels[0].block.repeats"])
def test_a_limit_that_was_passed_is_approached(path: str) -> None:
    match = {"params": "base", "by": path, "tolerance": "6%"}
    variant = single_outcome({"base": SMALL, "axes": {"depth": [1]}, "match": match})
    assert variant.match.settings == {"levels.0.block.repeats": 23}
    assert variant.spec.encoder_levels[0].block.repeats == 23


def test_a_limit_that_is_too_low_is_told() -> None:
    outcome = single_outcome(
        {"base": SMALL, "axes": {"depth": [1]}, "match": {"params": 900_000, "by": "levels.0.block.repeats"}}
    )
    assert str(outcome.problems[0]) == (
        "match: no whole number for levels.0.block.repeats gives a network within 1 % of 900,000 parameters; "
        "the nearest gives 315,490 with levels.0.block.repeats 64; "
        "with levels.0.block.repeats 65 the network is invalid: 65 must be at most 64; "
        "raise the tolerance, or match by another path"
    )


def test_a_peak_that_one_step_leaves_as_it_is_has_both_neighbours() -> None:
    outcome = single_outcome({"base": SMALL, "axes": {"skip.fusion": ["add"]}, "match": {"inference_memory": "base"}})
    assert str(outcome.problems[0]) == (
        "match: no widths in multiples of 8 near these proportions give a network within 1 % of 1,097,728 bytes of "
        "inference memory; the nearest give 835,584 with widths [16, 32, 64] and 1,228,800 with widths [24, 48, 88]; "
        "raise the tolerance, lower 'multiple', or match by another path"
    )


def test_channels_that_must_be_equal_stay_in_proportion() -> None:
    vnet = {"base": "vnet", "axes": {"skip.fusion": ["add"]}}
    variant = single_outcome({**vnet, "match": {"params": 160_000_000, "tolerance": "2%"}})
    assert variant.match.settings == {"widths": [32, 64, 128, 256, 512], "decoder.widths": [64, 128, 256, 512]}
    outcome = single_outcome({**vnet, "match": {"params": "base"}})
    assert str(outcome.problems[0]) == (
        "match: no widths in multiples of 8 near these proportions give a network within 1 % of 45,593,892 parameters; "
        "the nearest give 40,198,372 with widths [16, 32, 64, 128, 256], decoder.widths [32, 64, 128, 256] "
        "and 60,941,284 with widths [16, 32, 64, 128, 384], decoder.widths [32, 64, 128, 256]; "
        "with widths [16, 32, 64, 128, 272], decoder.widths [32, 64, 128, 272] the network is invalid: "
        "in the decoder at level 3: add needs equal channels: 136 from below, 128 from the skip; "
        "raise the tolerance, lower 'multiple', or match by another path"
    )


def test_what_stands_in_the_way_is_told() -> None:
    axes = {"skip.fusion": ["add"]}
    outcome = single_outcome({"base": "cmunext", "axes": axes, "match": {"params": "base"}})
    assert str(outcome.problems[0]) == (
        "match: no widths in multiples of 8 near these proportions give a network within 1 % of 3,149,185 parameters; "
        "the nearest gives 2,759,809 with widths [16, 32, 128, 160, 256]; "
        "with widths [16, 32, 128, 176, 256] the network is invalid: "
        "in the decoder at level 3: add needs equal channels: 176 from below, 160 from the skip; "
        "raise the tolerance, lower 'multiple', or match by another path"
    )


def test_whole_numbers_at_a_path_have_no_proportions() -> None:
    match: dict[str, Any] = {"params": "base", "by": "block.kernel_size"}
    source = {"base": SMALL, "axes": {"depth": [1]}, "match": match}
    assert str(single_outcome(source).problems[0]) == (
        "match: no whole number for block.kernel_size gives a network within 1 % of 117,378 parameters; "
        "the nearest give 96,242 with block.kernel_size 6 and 130,146 with block.kernel_size 7; "
        "raise the tolerance, or match by another path"
    )
    match["multiple"] = 4
    assert str(single_outcome(source).problems[0]) == (
        "match: no multiple of 4 for block.kernel_size gives a network within 1 % of 117,378 parameters; "
        "the nearest give 44,082 with block.kernel_size 4 and 169,266 with block.kernel_size 8; "
        "raise the tolerance, lower 'multiple', or match by another path"
    )


def test_groups_of_any_number_divide_what_is_chosen() -> None:
    base = {**SMALL, "widths": [24, 48, 96], "block": {"norm": {"type": "group", "groups": 6}}}
    variant = single_outcome({"base": base, "match": {"params": 1_000_000, "tolerance": "5%"}})
    assert variant.match.settings
    assert all(width % 24 == 0 for width in variant.spec.widths)


def test_a_skip_less_is_made_up_for() -> None:
    variant = single_outcome(
        {"base": "resunetplusplus", "axes": {"levels.0.skip": ["none"]}, "match": {"params": "base"}}
    )
    assert variant.match.settings == {"widths": [32, 64, 128, 528], "decoder.widths": [64, 128, 264]}


# Order, proportions and limits

SMALLEST = {"extends": "unet_milesial", "widths": [8, 16, 32], "input_size": [64, 64]}


def test_widths_out_of_proportion_are_refused() -> None:
    source = {"base": SMALLEST, "axes": {"skip.fusion": ["add"]}, "match": {"params": "base", "tolerance": "3%"}}
    outcome = single_outcome(source)
    assert str(outcome.problems[0]) == (
        "match: no widths in multiples of 8 near these proportions give a network within 3 % of 29,634 parameters; "
        "the nearest give 26,754 with widths [8, 16, 32] and 33,634 with widths [8, 16, 40]; "
        "raise the tolerance, lower 'multiple', or match by another path"
    )
    source["match"]["multiple"] = 1
    variant = single_outcome(source)
    assert abs(variant.match.deviation) <= 0.03
    first, second, third = variant.spec.widths
    assert 1.8 <= second / first <= 2.2
    assert 1.8 <= third / second <= 2.2


@pytest.mark.parametrize(
    ("start", "rescaled", "is_kept"),
    [
        ((8, 16, 32), (16, 8, 40), False),
        ((8, 16, 32), (16, 16, 40), False),
        ((8, 16, 32), (8, 24, 8), False),
        ((8, 16, 32), (8, 16, 40), True),
        ((16, 32, 64), (24, 32, 64), False),
        ((64, 128, 256), (72, 136, 280), True),
        ((64, 128, 256), (64, 128, 512), False),
        ((64, 128, 256), (8, 16, 32), True),
        ((24, 20), (16, 24), False),
    ],
)
def test_order_and_proportions(start: tuple[int, ...], rescaled: tuple[int, ...], is_kept: bool) -> None:
    grid = ScaleGrid(start, (("widths", len(start)),), 8)
    assert grid.keeps_proportions(rescaled) is is_kept


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.integers(1, 16).map(lambda n: 4 * n), min_size=2, max_size=4),
    share=st.floats(0.3, 4),
    multiple=st.sampled_from([1, 4, 8]),
    measure=st.sampled_from(["params", "macs"]),
)
def test_matched_widths_keep_their_order(widths: list[int], share: float, multiple: int, measure: str) -> None:
    base = {**TINY, "widths": widths}
    target = max(int(share * COST_METRICS[measure].compute(NetworkReport.of(*_spec_and_graph(base)))), 1)
    outcome = single_outcome({"base": base, "match": {measure: target, "tolerance": "5%", "multiple": multiple}})
    for point in filter(None, (outcome.match.best, outcome.match.below, outcome.match.above)):
        pairs = list(zip(widths, point.grid_point, strict=True))
        assert all(a <= b for (first, a), (last, b) in itertools.product(pairs, pairs) if first < last)


def test_another_metric_can_be_limited() -> None:
    match: dict[str, Any] = {"params": "base", "tolerance": "5%", "at_most": {"macs": "110%"}}
    source = {"base": SMALL, "axes": {"skip.fusion": ["concat", "add"]}, "match": match}
    sources = sweep(source)
    for variant in sources:
        assert abs(variant.match.deviation) <= 0.05
        assert variant.report.cost.macs <= 1.1 * sources.base_report.cost.macs
    match["at_most"] = {"macs": 1000, "memory": "base"}
    base, variant = list_outcomes(source)
    macs = sources.base_report.cost.macs
    assert str(base.problems[0]).startswith(
        "match: no widths in multiples of 8 near these proportions give a network within 5 % of 117,378 parameters; "
        f"widths [16, 32, 64] would, but need {macs:,} MACs, above the limit of 1,000; "
    )
    assert isinstance(variant, BudgetNotReached)


@pytest.mark.parametrize(
    ("match", "sentence"),
    [
        (
            "{params: base, macs: base}",
            "3:8: match: 'match' must have exactly one metric, but has params and macs; "
            "match params, and limit the other with at_most: {macs: base}",
        ),
        ("{params: base, at_most: 5}", "3:32: match.at_most: 'at_most' must be a mapping; write at_most: {macs: 110%}"),
        (
            "{params: base, at_most: {params: 5}}",
            "3:33: match.at_most.params: params is matched already; "
            "limit one of macs, memory, inference_memory, receptive_field",
        ),
        ("{params: base, at_most: {mac: 5}}", "3:33: match.at_most.mac: unknown metric; did you mean 'macs'?"),
        (
            "{params: base, at_most: {macs: few}}",
            "3:39: match.at_most.macs: 'few' is not a limit; write 'base', 110% of the base, or a whole number",
        ),
    ],
)
def test_limits_that_make_no_sense(match: str, sentence: str) -> None:
    with pytest.raises(unetgen.SpecError) as error:
        sweep(f"base: unet_milesial\naxes: {{depth: [4]}}\nmatch: {match}\n")
    assert str(error.value) == f"<text>:{sentence}"


# Conflicts with axes


@pytest.mark.parametrize(
    ("varied", "name"),
    [
        ("axes: {block.repeats: [1, 3]}", "axis 'block.repeats'"),
        ("axes: {size: {deep: {block: {repeats: 3}}, wide: {}}}", "axis 'size'"),
        ("axes: {size: {deep: {depth: 2, axes: {block.repeats: [1, 3]}}}}", "axis 'size'"),
        ("zip: {depth: [1, 2], 'block[repeats]': [3, 2]}", "axis 'depth,block[repeats]'"),
        ("variants: [{block.repeats: 1}]", "the list of variants"),
    ],
)
def test_what_an_axis_decides_is_not_rescaled(varied: str, name: str) -> None:
    with pytest.raises(unetgen.SpecError) as error:
        sweep(f"base: unet_milesial\n{varied}\nmatch: {{params: base, by: block.repeats}}\n")
    assert str(error.value) == (
        f"<text>:3:27: match.by: {name} sets block.repeats, which matching would override; "
        "match by widths, or by a number that no axis sets"
    )


def test_what_becomes_the_base_by_matching_is_no_variant_of_another_name() -> None:
    axes = {"widths": [[32, 64, 128], [8, 16, 128], [16, 32, 64]]}
    wide, odd, base = list_outcomes({"base": SMALL, "axes": axes, "match": {"params": "base"}})
    assert wide == Duplicate("widths=32-64-128 when matched", "base")
    assert odd.name.startswith("widths=8-16-128-")
    assert base.label == "base"


@settings(max_examples=100, deadline=None)
@given(
    start=st.lists(st.integers(1, 300), min_size=1, max_size=6).map(tuple),
    multiple=st.sampled_from([1, 2, 3, 8, 16]),
    scales=st.lists(st.floats(0.01, 50), min_size=2, max_size=5),
)
def test_the_rungs_of_a_ladder_rise_with_the_scale(start: tuple[int, ...], multiple: int, scales: list[float]) -> None:
    grid = ScaleGrid(start, (("widths", len(start)),), multiple)
    grid_points = [grid.find_nearest_point(scale) for scale in sorted(scales)]
    for low, high in itertools.pairwise(grid_points):
        assert all(a <= b for a, b in zip(low, high, strict=True))
    for scale, grid_point in zip(sorted(scales), grid_points, strict=True):
        for number, first in zip(grid_point, start, strict=True):
            assert number % multiple == 0
            assert number >= multiple
            assert abs(number - first * scale) <= multiple / 2 or number == multiple


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.integers(1, 12).map(lambda n: 8 * n), min_size=2, max_size=4),
    share=st.floats(0.2, 6),
    fusion=st.sampled_from(["concat", "add"]),
)
def test_what_is_told_of_a_match_is_true(widths: list[int], share: float, fusion: str) -> None:
    base = {**TINY, "widths": widths}
    target = max(int(share * COST_METRICS["params"].compute(NetworkReport.of(*_spec_and_graph(base)))), 1)
    outcome = single_outcome(
        {"base": base, "axes": {"skip.fusion": [fusion]}, "match": {"params": target, "multiple": 4}}
    )
    match = outcome.match
    assert match.is_within_tolerance == isinstance(outcome, Variant)
    assert match.below is None or match.below.value <= target
    assert match.above is None or match.above.value > target
    for point in filter(None, (match.below, match.above, match.best)):
        again = unetgen.load_spec(base, **{"skip.fusion": fusion}, **match.grid.to_settings(point.grid_point))
        assert COST_METRICS["params"].compute(NetworkReport.of(*_spec_and_graph(again))) == point.value


MEASURED = st.sampled_from(["params", "macs", "memory", "inference_memory"])


@settings(max_examples=50, deadline=None)
@given(
    groups=st.sampled_from([0, 1, 2, 3, 6, 8]),
    start=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    multiple=st.sampled_from([1, 2, 3, 8]),
    scale=st.floats(0.3, 3),
    off=st.floats(0.97, 1.03),
    tolerance=st.sampled_from([0.0, 0.01, 0.1]),
    measure=MEASURED,
)
def test_what_some_scale_reaches_is_found_and_both_neighbours_are_told(
    groups: int, start: tuple[int, int], multiple: int, scale: float, off: float, tolerance: float, measure: str
) -> None:
    norm = {"type": "group", "groups": groups} if groups else "batch"
    widths = [max(groups, 1) * number for number in start]
    base = {**TINY, "block": {"norm": norm}, "skip": {"fusion": "add"}, "widths": widths}
    compute = COST_METRICS[measure].compute
    near_widths = [max(round(number * scale), 1) * max(groups, 1) for number in start]
    target = round(off * compute(NetworkReport.of(*_spec_and_graph({**base, "widths": near_widths}))))
    outcome = single_outcome({"base": base, "match": {measure: target, "tolerance": tolerance, "multiple": multiple}})
    match, grid = outcome.match, ScaleGrid(tuple(widths), (("widths", 2),), multiple)
    if isinstance(outcome, Variant):
        assert abs(compute(outcome.report) - target) <= tolerance * target
        assert not match.settings or grid.contains(outcome.spec.widths)
        return
    measured = {
        grid_point: _compute_or_none({**base, "widths": list(grid_point)}, compute)
        for grid_point in _grid_points(grid, 4 * scale)
    }
    values = [value for value in measured.values() if value is not None]
    assert not [value for value in values if abs(value - target) <= tolerance * target]
    assert match.below is not None or min(values, default=target + 1) > target
    assert match.above is not None or max(values, default=target) <= target
    assert all(grid.contains(point.grid_point) for point in (match.below, match.above) if point is not None)


def _grid_points(grid: ScaleGrid, max_scale: float) -> set[tuple[int, ...]]:
    """Return every grid point up to a scale."""
    turns = {
        (number + 0.5) * grid.multiple / first
        for first in grid.start
        for number in range(int(max_scale * first / grid.multiple) + 2)
    }
    return {grid.find_nearest_point(turn + shift) for turn in turns for shift in (-1e-6, 1e-6)}


def _compute_or_none(spec: Any, compute: Any) -> int | None:
    """Return the metric of a network, or None if its spec is invalid."""
    try:
        return int(compute(NetworkReport.of(*_spec_and_graph(spec))))
    except unetgen.SpecError:
        return None


def _spec_and_graph(spec: Any) -> tuple[unetgen.Spec, Any]:
    return unetgen.load_spec(spec), unetgen.graph_of(spec)


# Details that a mutation of the code once survived


@pytest.mark.parametrize(
    ("number", "offset", "multiple", "on_grid"),
    [(9, 1, 8, True), (7, 1, 8, False), (8, 0, 8, True), (12, 0, 8, False), (3, 3, 4, True), (5, 3, 4, False)],
)
def test_a_grid_contains_its_offset_plus_multiples(number: int, offset: int, multiple: int, on_grid: bool) -> None:
    grid = ScaleGrid((16,), (("widths", 1),), multiple, offset)
    assert grid.contains((number,)) == on_grid
    assert grid.contains((number, offset + multiple)) == on_grid


def test_a_move_takes_up_to_three_numbers_up_to_two_steps() -> None:
    assert list(_iter_moves([4])) == [((4, -2),), ((4, -1),), ((4, 1),), ((4, 2),)]
    moves = list(_iter_moves([0, 1, 2, 3]))
    assert len(moves) == len(set(moves)) == 4 * 4 + 6 * 4**2 + 4 * 4**3
    assert {abs(count) for move in moves for _, count in move} == {1, 2}
    assert max(map(len, moves)) == 3
