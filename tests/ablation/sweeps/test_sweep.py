"""Sweeps: modes, axes, conditions, error messages with locations, and variant names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import unetgen
from support.command_line import RunCli
from support.plugin_site import CRASHING_PLUGIN, PluginSite
from unetgen.ablation.sweeps.conditions.spec_values import SpecValues
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.config.spec import Skip
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.config.yaml.tree import from_data
from unetgen.errors import MissingDependencyError, PluginError, SpecError


def list_labels(source: str | dict[str, Any]) -> list[str]:
    return [variant.label for variant in sweep(source)]


def error_lines(source: str | dict[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as error:
        list(sweep(source))
    return str(error.value).splitlines()


def write_sweep_file(folder: Path, text: str, name: str = "sweep.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


# Modes


def test_a_grid_has_every_choice_with_every_other_and_the_last_axis_changes_fastest() -> None:
    axes = {"skip.fusion": ["concat", "add"], "block.norm": ["batch", "instance", "none"]}
    assert list_labels({"base": "unet_milesial", "axes": axes}) == [
        "base", "block.norm=instance", "block.norm=none",
        "skip.fusion=add", "block.norm=instance,skip.fusion=add", "block.norm=none,skip.fusion=add",
    ]  # fmt: skip


def test_one_at_a_time_is_the_base_and_then_each_value_that_is_not_its_own() -> None:
    axes = {
        "block.norm": ["batch", "instance", "none"],
        "upsample": ["transposed_conv", {"type": "interpolate", "mode": "linear"}],
        "skip.fusion": ["concat", "add"],
    }
    assert list_labels({"base": "unet_milesial", "mode": "one_at_a_time", "axes": axes}) == [
        "base", "block.norm=instance", "block.norm=none", "upsample=interpolate+mode=linear", "skip.fusion=add",
    ]  # fmt: skip


def test_a_list_has_the_variants_that_it_names() -> None:
    variants = [{}, {"skip.fusion": "add"}, {"skip.fusion": "add", "depth": 2}]
    assert list_labels({"base": "unet_milesial", "variants": variants}) == [
        "base",
        "skip.fusion=add",
        "depth=2,skip.fusion=add",
    ]


def test_the_variants_of_a_list_can_have_names_of_their_own() -> None:
    source = {"base": "unet_milesial", "mode": "list", "variants": {"ours": {}, "sums": {"skip.fusion": "add"}}}
    assert list_labels(source) == ["ours", "sums"]


def test_a_sample_is_drawn_from_the_grid_by_its_seed_in_whatever_order_the_axes_stand() -> None:
    axes = {"block.norm": ["batch", "instance", "none"], "depth": [1, 2, 3, 4], "skip.fusion": ["concat", "add"]}
    grid = list_labels({"base": "unet_milesial", "axes": axes})
    first = list_labels({"base": "unet_milesial", "axes": axes, "mode": {"type": "sample", "n": 7, "seed": 1}})
    assert len(first) == len(set(first)) == 7
    assert set(first) < set(grid)
    turned = {path: list(reversed(values)) for path, values in reversed(axes.items())}
    assert (
        list_labels({"base": "unet_milesial", "axes": turned, "mode": {"type": "sample", "n": 7, "seed": 1}}) == first
    )
    assert list_labels({"base": "unet_milesial", "axes": axes, "mode": {"type": "sample", "n": 7, "seed": 2}}) != first
    all_of_it = list_labels({"base": "unet_milesial", "axes": axes, "mode": {"type": "sample", "n": 100}})
    assert sorted(all_of_it) == sorted(grid)


def test_a_sample_counts_only_what_the_conditions_let_through() -> None:
    source = {"base": "unet_milesial", "axes": {"depth": [1, 2, 3, 4]}, "where": "depth > 2"}
    assert sorted(list_labels({**source, "mode": {"type": "sample", "n": 2}})) == ["base", "depth=3"]


# Axes


def test_zipped_paths_go_together() -> None:
    source = {"base": "unet_milesial", "zip": {"depth": [3, 4], "block.repeats": [3, 2]}}
    assert list_labels(source) == ["block.repeats=3,depth=3", "base"]


def test_several_zips_are_several_axes() -> None:
    source = {
        "base": "unet_milesial",
        "zip": [{"depth": [3, 4], "block.repeats": [3, 2]}, {"skip.fusion": ["concat", "add"]}],
    }
    assert len(list_labels(source)) == 4


def test_labels_set_several_paths_at_once_and_name_the_variants() -> None:
    sizes = {"small": {"widths": [8, 16], "block.repeats": 1}, "own": {}, "large": {"widths": [32, 64]}}
    variants = list(sweep({"base": "unet_milesial", "axes": {"size": sizes}}))
    assert [variant.label for variant in variants] == ["size=small", "base", "size=large"]
    assert variants[0].spec.widths == (8, 16)
    assert variants[0].spec.encoder_levels[0].block.repeats == 1


def test_an_axis_under_a_label_exists_only_there() -> None:
    axes = {
        "upsample": {
            "learned": {"upsample": "transposed_conv"},
            "fixed": {"upsample": "interpolate", "axes": {"upsample.mode": ["nearest", "linear"]}},
        },
        "depth": [2, 4],
    }
    assert list_labels({"base": "unet_milesial", "axes": axes}) == [
        "depth=2", "base",
        "depth=2,upsample.mode=nearest,upsample=fixed", "upsample.mode=nearest,upsample=fixed",
        "depth=2,upsample.mode=linear,upsample=fixed", "upsample.mode=linear,upsample=fixed",
    ]  # fmt: skip
    assert list_labels({"base": "unet_milesial", "axes": axes, "mode": "one_at_a_time"}) == [
        "base", "upsample=fixed", "upsample.mode=linear,upsample=fixed", "depth=2",
    ]  # fmt: skip  # nearest is what an interpolation does anyway


def test_a_base_can_stand_in_the_file(tmp_path: Path) -> None:
    text = "base: {extends: unet_milesial, in_channels: 1}\naxes: {depth: [3, 4]}\n"
    assert [v.spec.in_channels for v in sweep(write_sweep_file(tmp_path, text))] == [1, 1]


def test_a_base_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: unet_milesial\nwidths: [8, 16]\n")
    assert [v.spec.widths for v in sweep(write_sweep_file(tmp_path, "base: mine.yaml\n"))] == [(8, 16)]


# Names


def test_names_do_not_depend_on_the_order_of_axes_and_values() -> None:
    axes = {"depth": [2, 3, 4], "upsample": ["transposed_conv", {"type": "interpolate", "mode": "linear"}]}
    turned = {path: list(reversed(values)) for path, values in reversed(axes.items())}
    one, other = (sorted(v.name for v in sweep({"base": "unet_milesial", "axes": a})) for a in (axes, turned))
    assert one == other
    assert one[0] == "base-d8bc39dc"
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.=+,") for name in one)


def test_names_are_files_on_any_system_whatever_the_labels() -> None:
    labels = {"../../evil": {"skip.fusion": "add"}, "-rf": {"levels[0].skip": "none"}, "a b/c": {"depth": 3}}
    variants = list(sweep({"base": "unet_milesial", "variants": labels}))
    assert [v.name.rpartition("-")[0] for v in variants] == ["_.._evil", "rf", "a_b_c"]
    axes = {"levels[0].skip": ["none"]}
    assert list_labels({"base": "unet_milesial", "axes": axes}) == ["levels.0.skip=none"]


def test_a_path_is_laid_before_what_stands_below_it_in_whatever_order_the_axes_come() -> None:
    axes = {"block.norm": ["batch"], "block": [{"type": "residual", "padding": "zeros"}]}
    (variant,) = sweep({"base": "unet_milesial", "axes": axes})
    assert variant.spec.encoder_levels[0].block.type == "residual"
    assert variant.spec.encoder_levels[0].block.norm.type == "batch"


def test_a_variant_has_its_name_its_settings_and_what_it_costs() -> None:
    variant = next(iter(sweep({"base": "unet_milesial", "variants": [{"depth": 2, "skip.fusion": "add"}]})))
    assert variant.spec.name == variant.name
    assert variant.spec.description == ""
    assert variant.settings == {"depth": 2, "skip.fusion": "add"}
    network = unetgen.build(variant.spec, device="meta")
    assert variant.report.cost.params == sum(p.numel() for p in network.parameters())


# Conditions


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("depth == 2", ["depth=2", "depth=2,upsample=interpolate+mode=nearest"]),
        ("not (depth == 2 and upsample == 'interpolate')", ["depth=2", "base", "upsample=interpolate+mode=nearest"]),
        ("upsample.mode == 'nearest' and depth > 2", ["upsample=interpolate+mode=nearest"]),
        ("upsample.mode == None", ["depth=2", "base"]),
        ("max(widths) == 1024 and len(widths) == 5", ["base", "upsample=interpolate+mode=nearest"]),
        ("skip == 'concat' and decoder.block.norm == 'batch' and levels[0].block.norm == 'batch'", None),
        ("in_channels == 3 and upsample in ['interpolate', 'transposed_conv'] and sum([depth, 1]) > min(2, 3)", None),
    ],
)
def test_conditions_leave_combinations_out(condition: str, left: list[str] | None) -> None:
    axes = {"upsample": ["transposed_conv", {"type": "interpolate", "mode": "nearest"}], "depth": [2, 4]}
    source = {"base": "unet_milesial", "axes": axes}
    assert list_labels({**source, "where": [condition]}) == (list_labels(source) if left is None else left)


@pytest.mark.parametrize("path", ["skip", "skip.fusion", "skip.fusion.type", "decoder.skip.fusion", "levels[1].skip"])
def test_a_dropped_skip_is_known_by_every_name(path: str) -> None:
    source = {"base": "unet_paper", "axes": {"skip.fusion": ["concat", "none"], "depth": [3, 4]}}
    assert list_labels({**source, "where": f"not (depth == 3 and {path} == 'none')"}) == [
        "depth=3", "base", "skip.fusion=none",
    ]  # fmt: skip


@pytest.mark.parametrize("name", list_shipped_specs())
def test_conditions_know_the_part_at_every_place(name: str) -> None:
    spec = unetgen.load_spec(name)
    values = SpecValues(from_data(spec.resolved(), ""), {})
    for (side, level, slot), part in spec.places():
        path = f"levels.{level}.{slot}" if side == "bottleneck" else f"levels.{level}.{side}.{slot}"
        assert values[path] == (part.fusion.type if isinstance(part, Skip) else spec.names.get(type(part), part.type))


def test_conditions_leave_out_what_is_no_network() -> None:
    source = {"base": "unet_milesial", "axes": {"depth": [4, 6]}}
    assert list_labels({**source, "where": "depth < 5"}) == ["base"]


def test_conditions_know_labels() -> None:
    axes = {"size": {"small": {"widths": [8, 16]}, "large": {"widths": [32, 64]}}, "skip.fusion": ["concat", "add"]}
    source = {"base": "unet_milesial", "axes": axes, "where": "size == 'small' or skip.fusion == 'add'"}
    assert list_labels(source) == ["size=small", "size=small,skip.fusion=add", "size=large,skip.fusion=add"]


def test_conditions_that_leave_nothing_are_told(run_cli: RunCli, tmp_path: Path) -> None:
    file = write_sweep_file(tmp_path, "base: unet_paper\naxes: {depth: [3, 4]}\nwhere: depth > 5\n")
    outcome = run_cli("sweep", file)
    assert outcome.code == 1
    assert outcome.err == (f"{file}:3:8: where: the conditions exclude all 2 combinations; loosen a condition\n")


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            "depth ==",
            "where: 'depth ==' is not an expression: invalid syntax; write \"not (depth == 3 and skip.fusion == 'none')\"",
        ),
        ("3", "where: a condition must be text; write \"not (depth == 3 and skip.fusion == 'none')\""),
        ("skip.fusoin == 'add'", "where: unknown path 'skip.fusoin'; did you mean 'skip.fusion'?"),
        ("depth", "where: 'depth' must be true or false, but is 4 for base; depth is 4"),
        (
            "upsample.mode > 3",
            "where: 'upsample.mode > 3' cannot be evaluated for base: '>' not supported between instances of "
            "'NoneType' and 'int'; upsample.mode is None",
        ),
        (
            "open('x')",
            "where: \"open('x')\" calls unknown function 'open'; use one of len, max, min, sum",
        ),
        (
            "widths[0].real == 1",
            "where: 'widths[0].real == 1' uses 'widths[0].real', which is not a path; "
            "write \"not (depth == 3 and skip.fusion == 'none')\"",
        ),
        (
            "[x for x in widths] == widths",
            "where: '[x for x in widths] == widths' uses '[x for x in widths]', which is not supported; "
            "write \"not (depth == 3 and skip.fusion == 'none')\"",
        ),
        (
            "depth == 1j",
            "where: 'depth == 1j' uses '1j', which is not supported; write \"not (depth == 3 and skip.fusion == 'none')\"",
        ),
        (
            "max(widths, key=len) == 3",
            "where: 'max(widths, key=len) == 3' passes keyword arguments to 'max', which takes none; write max(widths)",
        ),
        ("block.bias == true", "where: 'block.bias == true' uses undefined name 'true'; write True"),
        (
            "levels[-1].block.repeats == 2",
            "where: 'levels[-1].block.repeats == 2' uses 'levels[-1].block.repeats', which is not a path; "
            "write \"not (depth == 3 and skip.fusion == 'none')\"",
        ),
        (
            "levels[depth] == 2",
            "where: 'levels[depth] == 2' uses 'levels[depth]', but a level must be a number; write levels[0]",
        ),
        ("skip.fusion == add", "where: unknown path 'add'; to compare with text, write 'add' in quotes"),
        (
            "skip.fusion in ['concat', 'noen']",
            "where: unknown fusion 'noen'; did you mean 'none'? Fusions are add, concat, multiply, none, size_only",
        ),
        (
            "'bach' == levels[0].block.norm.type",
            "where: unknown norm 'bach'; did you mean 'batch'? Norms are batch, group, instance, layer, none",
        ),
        (
            "9 ** 9 ** 9 > 1",
            "where: '9 ** 9 ** 9 > 1' cannot be evaluated for base: Sorry! I don't want to evaluate 9 ** 387420489",
        ),
    ],
)
def test_conditions_that_say_nothing_are_refused(condition: str, sentence: str, tmp_path: Path) -> None:
    file = write_sweep_file(
        tmp_path,
        f"base: unet_milesial\naxes: {{depth: [4]}}\nwhere: {condition if condition == '3' else json.dumps(condition)}\n",
    )
    assert error_lines(file) == [f"{file}:3:8: {sentence}"]


@pytest.mark.parametrize("text", ["not " * 500 + "True", "(" * 300 + "depth" + ")" * 300, "depth" + " + 1" * 3000])
def test_conditions_without_end_are_no_expressions(text: str) -> None:
    (sentence,) = error_lines({"base": "unet_milesial", "where": text})
    assert sentence.startswith(f"where: {text[:77] + '...'!r} ")


def test_words_of_labels_are_known_to_conditions() -> None:
    axes = {"size": {"small": {"widths": [8, 16]}, "large": {"widths": [32, 64]}}}
    source = {"base": "unet_milesial", "axes": axes}
    assert error_lines({**source, "where": "size == 'smal'"}) == [
        "where: 'smal' is not a label of axis 'size'; did you mean 'small'?"
    ]
    assert error_lines({**source, "where": "size in ('tiny', 'large')"}) == [
        "where: 'tiny' is not a label of axis 'size'; use one of small, large"
    ]


def test_a_plugins_part_has_its_whole_name_in_conditions(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    source = {"base": "unet_milesial", "axes": {"block": [{"type": "conv", "padding": "zeros"}, "twice"]}}
    assert error_lines({**source, "where": "block == 'twice'"}) == [
        "where: block 'twice' comes from a plugin and needs its full name; write 'acme-unet/twice'"
    ]
    assert list_labels({**source, "where": "block == 'acme-unet/twice'"}) == ["block=twice"]


def test_a_level_that_is_not_there_says_nothing() -> None:
    source = {"base": "unet_milesial", "axes": {"depth": [2, 4]}}
    assert list_labels({**source, "where": "levels[3].block.norm == 'batch'"}) == ["base"]
    assert list_labels({**source, "where": "levels[3].block.norm == None"}) == ["depth=2"]


def test_conditions_need_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simpleeval", None)
    with pytest.raises(MissingDependencyError) as error:
        sweep({"base": "unet_paper", "where": "depth == 3"})
    assert str(error.value) == (
        "'where' in a sweep needs simpleeval, which is not installed; run: pip install 'unetgen[ablation]'"
    )


# Invalid files

MISTAKES = """\
base: unet_paper
axes:
  skip.fusoin: [concat, add]
  block.nrom: [batch, none]
  wdiths: [[8, 16]]
  norm: [batch]
  name: [a, b]
  depth: 3
  upsample: {type: interpolate}
  block.repeats: []
  init: [he_normal, he_normal]
  a..b: [1]
  bottleneck.skip: [none]
mdoe: grid
where: "skip.fusoin == 'add'"
match: {parms: base, tolerance: lots, by: wdiths, multiple: 0}
on_invalid: explode
name: 3
"""


def test_every_mistake_of_a_file_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    file = write_sweep_file(tmp_path, MISTAKES)
    listed = "write a list, {}, or a mapping of labels to {{path: value}}"
    assert error_lines(file) == [
        f"{file}:{line}"
        for line in (
            "3:3: axes.skip.fusoin: unknown path 'skip.fusoin'; did you mean 'skip.fusion'?",
            "4:3: axes.block.nrom: unknown path 'block.nrom'; did you mean 'block.norm'?",
            "5:3: axes.wdiths: unknown path 'wdiths'; did you mean 'widths'?",
            "6:3: axes.norm: unknown path 'norm'; write block.norm",
            "7:3: axes.name: 'name' does not affect the network; vary a setting of the network",
            f"8:10: axes.depth: the axis has a single value; {listed.format('[3]')}",
            "9:20: axes.upsample.type: label 'type' must have a mapping of paths to values; "
            "write a list of values, or a mapping of labels to {path: value}",
            f"10:18: axes.block.repeats: the axis is empty; {listed.format('[first, second]')}",
            "11:21: axes.init[1]: the axis already has this value; delete one of the two",
            "12:3: axes.a..b: a path is names joined by dots; write decoder.block.norm",
            "13:3: axes.bottleneck.skip: unknown path 'bottleneck.skip'; the keys of bottleneck are block",
            "14:1: mdoe: unknown key of a sweep; did you mean 'mode'?",
            "15:8: where: unknown path 'skip.fusoin'; did you mean 'skip.fusion'?",
            "16:8: match: 'match' must have exactly one metric, but has none; use one of params, macs, memory, inference_memory, receptive_field",
            "16:9: match.parms: unknown key of match; did you mean 'params'?",
            "16:33: match.tolerance: tolerance must be at least 0 % and below 100 %, not 'lots'; write 1% or 0.01",
            "16:43: match.by: unknown path 'wdiths'; did you mean 'widths'?",
            "16:61: match.multiple: 0 is not a whole number from 1 to 1024; write 8",
            "17:13: on_invalid: 'explode' is not one of 'report', 'error', 'skip'",
            "18:7: name: 3 is not text",
        )
    ]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("axes: {depth: [2]}", ["1:1: 'base' is missing; add 'base: unet_paper' (a shipped spec's name or a file path)"]),
        ("base: [unet_paper]", ["1:7: base: 'base' must be a spec, a spec's name or a path; write base: unet_paper"]),
        (
            "base: unet_papre",
            [
                "1:7: base: cannot read 'unet_papre': no such file, and no shipped spec of that name; "
                "did you mean 'unet_paper'?"
            ],
        ),
        (
            "base: {in_channels: 1, out_channels: 1, widths: [8, x], schema_version: 1}",
            ["1:53: widths[1]: 'x' is not a number of channels; write a whole number from 1 to 65536"],
        ),
        (
            "base: unet_paper\nmode: {type: sample, m: 3}\nvariants: [{}]",
            [
                "2:7: mode: 'n' is missing; add 'n: ...'",
                "2:22: mode.m: unknown key of mode; its keys are n, seed, type",
                "3:1: variants: 'variants' has no effect in mode 'sample'; delete 'variants', or choose another mode",
            ],
        ),
        (
            "base: unet_paper\nmode: {n: 3}",
            ["2:7: mode: the mode needs a 'type'; write mode: {type: sample, n: 20, seed: 0}"],
        ),
        ("base: unet_paper\nmode: list", ["1:1: mode 'list' needs 'variants'; write variants: [{}, {skip.fusion: add}]"]),
        (
            "base: unet_paper\nvariants: [{}]\naxes: {depth: [3]}",
            ["3:1: axes: 'axes' has no effect in mode 'list'; delete 'axes', or choose another mode"],
        ),
        ("base: unet_paper\naxes: [depth]", ["2:7: axes: this must be a mapping of paths to values; write axes: {depth: [3, 4]}"]),
        (
            "base: unet_paper\naxes: {block: [conv, residual], deep: {a: {block.type: conv}}}",
            [
                "2:33: axes.deep: block.type is also set by 'block'; one of the two has no effect; "
                "set each path once"
            ],
        ),
        (
            "base: unet_paper\naxes: {skip: [concat, none], skip.fusion: [add]}",
            [
                "2:30: axes.skip.fusion: skip.fusion.type is also set by 'skip'; one of the two has no effect; "
                "set each path once"
            ],
        ),
        (
            "base: unet_paper\naxes: {up: {a: {upsample: interpolate, axes: {upsample.mode: [linear]}}}, upsample.mode: [nearest]}",
            [
                "2:75: axes.upsample.mode: upsample.mode is also set by 'up'; one of the two has no effect; "
                "set each path once"
            ],
        ),
        (
            "base: unet_paper\nvariants: [{block: residual, block.type: conv}, {skip: none, skip.fusion: add}]",
            [
                "2:30: variants[0].block.type: block.type is also set by 'block'; one of the two has no effect; "
                "set each path once",
                "2:62: variants[1].skip.fusion: skip.fusion.type is also set by 'skip'; one of the two has no effect; "
                "set each path once",
            ],
        ),
        (
            "base: unet_paper\nzip: {'levels[0].skip': [none, add], levels.0.skip: [add, none]}",
            [
                "2:38: zip.levels.0.skip: levels.0.skip.fusion.type is also set by 'levels[0].skip'; one of the two has no effect; "
                "set each path once"
            ],
        ),
        (
            "base: unet_paper\naxes: {widths: [[8, 16]], size: {small: {widths.base: 8}}}",
            [
                "2:27: axes.size: widths.base is also set by 'widths'; one of the two has no effect; "
                "set each path once"
            ],
        ),
        (
            "base: unet_paper\naxes: {block.dropout: [0.1], block.dropout.rate: [0.2]}",
            [
                "2:30: axes.block.dropout.rate: block.dropout.rate is also set by 'block.dropout'; one of the two has no effect; "
                "set each path once"
            ],
        ),
        (
            "base: unet_paper\naxes: {depth.x: [3], decoder.blok.norm: [batch], norm.groups: [2]}",
            [
                "2:8: axes.depth.x: unknown path 'depth.x'; depth is a single value",
                "2:22: axes.decoder.blok.norm: unknown path 'decoder.blok.norm'; did you mean 'decoder.block.norm'?",
                "2:50: axes.norm.groups: unknown path 'norm.groups'; write block.norm.groups",
            ],
        ),
        ("base: unet_paper\nvariants: [depth]", ["2:12: variants[0]: this must be a mapping of paths to values; write {skip.fusion: add, depth: 3}"]),
        (
            "base: unet_paper\nzip: depth",
            ["2:6: zip: this must be a mapping of paths to values; write zip: {depth: [3, 4], block.repeats: [3, 2]}"],
        ),
        (
            "base: unet_paper\nbudget: {params: base}",
            [
                "2:1: budget: unknown key of a sweep; its keys are name, description, base, mode, axes, zip, variants, where, "
                "match, hold, on_invalid"
            ],
        ),
        (
            "base: unet_paper\nzip: {block.norm: [batch, none], init: [he_normal]}",
            ["2:6: zip: zipped lists must have the same length, but block.norm has 2, init has 1; give each the same number of values"],
        ),
        (
            "base: unet_paper\nmatch: {params: 0, macs: base}",
            [
                "2:8: match: 'match' must have exactly one metric, but has params and macs; match params, and limit the other with at_most: {macs: base}",
                "2:17: match.params: 0 is not a budget; write 'base' or a positive whole number",
            ],
        ),
        ("base: unet_paper\nmatch: params", ["2:8: match: 'match' must be a mapping; write {params: base, tolerance: 1%}"]),
        ("[a]", ["1:1: a sweep must be a mapping, not a list; write one 'key: value' on each line"]),
        ("", ["1:1: the sweep is empty; is this a sweep?"]),
    ],
)  # fmt: skip
def test_files_that_are_no_sweeps(text: str, sentences: list[str], tmp_path: Path) -> None:
    file = write_sweep_file(tmp_path, text)
    assert error_lines(file) == [f"{file}:{sentence}" for sentence in sentences]


def test_a_file_that_is_not_there(run_cli: RunCli) -> None:
    assert run_cli("sweep", "nope.yaml") == (
        1,
        "",
        "cannot read 'nope.yaml': no such file or directory; give the path of a sweep file\n",
    )


# Invalid combinations


def test_a_choice_that_makes_no_network_by_itself_is_the_one_that_is_told(run_cli: RunCli, tmp_path: Path) -> None:
    axes = "{skip.fusion: [concat, add], block.padding: [valid, zeros]}"
    file = write_sweep_file(tmp_path, f"base: unet_paper\naxes: {axes}\nhold: input\n")
    outcome = run_cli("sweep", file)
    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        f"{file}:2:59: input_size: 572 on axes H and W gives 143 at level 2, which max_pool cannot halve (unet_paper.yaml:11:14); "
        "nearest that fit: 560 (output 560), 576 (output 576); or add 'input: pad' "
        "(in block.padding=zeros; block.padding=zeros,skip.fusion=add)"
    ]


def test_what_the_base_says_anyway_is_not_to_blame(tmp_path: Path) -> None:
    axes = "{skip.fusion: [concat], depth: [3], block.padding: [zeros]}"
    file = write_sweep_file(
        tmp_path, f"base: unet_paper\naxes: {axes}\non_invalid: error\nwhere: depth == 3\nhold: input\n"
    )
    assert [line.partition(": ")[0] for line in error_lines(file)] == [f"{file}:2:59"]


def test_invalid_combinations_are_told_where_the_sweep_says_them_and_by_name(run_cli: RunCli, tmp_path: Path) -> None:
    file = write_sweep_file(
        tmp_path,
        "base: unet_milesial\naxes: {skip.fusion: [concat, none], skip.align: [crop, pad], depth: [4, 6]}\n",
    )
    outcome = run_cli("sweep", file)
    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        f"{file}:2:37: skip.align: 'align' has no effect: a dropped skip has nothing to align; delete 'align' "
        "(in skip.align=crop,skip.fusion=none; depth=6,skip.align=crop,skip.fusion=none)",
        f"{file}:2:73: widths: depth 6 (line 2) needs 7 widths, not 5 (unet_milesial.yaml:12:9); "
        "delete one of the two, or make them agree "
        "(in depth=6,skip.align=crop; depth=6; depth=6,skip.align=crop,skip.fusion=none and 1 more)",
    ]
    assert outcome.out.endswith("sweep: 3 variants of unet_milesial, 5 invalid\n")


def test_what_the_base_says_anyway_gives_way_to_what_makes_it_idle() -> None:
    axes = {"skip.transform": ["none", "attention_gate"], "skip.fusion": ["concat", "none"]}
    source = {"base": "unet_milesial", "axes": axes, "on_invalid": "skip"}
    assert list_labels(source) == ["base", "skip.fusion=none", "skip.transform=attention_gate"]
    # But a depth and widths determine each other, so they are always explicit.
    axes = {"depth": [4], "widths": [[8, 16]]}
    assert error_lines({"base": "unet_milesial", "axes": axes}) == [
        "widths: in widths=8-16: depth 4 needs 5 widths, not 2; delete one of the two, or make them agree"
    ]


def test_the_grid_of_a50(run_cli: RunCli, tmp_path: Path) -> None:
    text = """\
base: {schema_version: 1, in_channels: 1, out_channels: 2, depth: 3, widths: {base: 12}, block: {padding: zeros}}
axes:
  depth: [3, 4, 5]
  upsample: [transposed_conv, interpolate]
  block.norm: [batch, {type: group, groups: 8}]
  widths.base: [12, 32]
"""
    file, out = write_sweep_file(tmp_path, text), tmp_path / "variants"
    outcome = run_cli("sweep", file, "--input-size", "64x64", "--out", str(out))
    assert outcome.code == 1
    assert outcome.out.endswith(f"sweep: 18 variants, 6 invalid; written to {out}\n")
    assert len(list(out.glob("*.yaml"))) == 18
    index = json.loads((out / "index.json").read_text())
    assert sum(problem["count"] for problem in index["problems"]) >= 6
    assert (
        outcome.err.splitlines()[0].startswith(
            f"{file}:5:48: block.norm.groups: in the encoder at level 0 and in the decoder at level 0: 8 does not divide "
            "12 channels; use one of 1, 2, 3, 4, 6, 12 (in block.norm=group+groups=8,depth=3"
        )
        or "block.norm.groups" in outcome.err
    )


def test_policies(run_cli: RunCli, tmp_path: Path) -> None:
    file = write_sweep_file(tmp_path, "base: unet_milesial\naxes: {depth: [4, 6]}\n")
    out = tmp_path / "out"
    outcome = run_cli("sweep", file, "--on-invalid", "error", "-o", str(out))
    assert (outcome.code, out.exists()) == (1, False)
    assert outcome.out.endswith("sweep: 1 variant of unet_milesial, 1 invalid; nothing written\n")
    outcome = run_cli("sweep", file, "--fail-fast", "-o", str(out))
    assert (outcome.code, out.exists()) == (1, False)
    outcome = run_cli("sweep", file, "--on-invalid", "skip", "-o", str(out))
    assert (outcome.code, len(list(out.glob("*.yaml")))) == (0, 1)
    assert "needs 7 widths" in outcome.err


def test_iterating_raises_what_is_wrong_last_first_or_never() -> None:
    source = {"base": "unet_milesial", "axes": {"depth": [6, 4]}}
    labels = []
    with pytest.raises(SpecError) as error:
        labels += [variant.label for variant in sweep(source)]
    assert str(error.value) == (
        "widths: in depth=6: depth 6 needs 7 widths, not 5 (unet_milesial.yaml:12:9); "
        "delete one of the two, or make them agree"
    )
    variants = iter(sweep(source))
    assert next(variants).label == "base"
    with pytest.raises(SpecError):
        next(iter(sweep({**source, "on_invalid": "error"})))
    assert list_labels({**source, "on_invalid": "skip"}) == ["base"]


def test_equal_networks_are_there_once_and_both_are_named(run_cli: RunCli, tmp_path: Path) -> None:
    text = "base: unet_milesial\nvariants: {ours: {}, sums: {skip.fusion: add}, again: {skip.fusion: {type: add}}}\n"
    outcome = run_cli("sweep", write_sweep_file(tmp_path, text), "--out", str(tmp_path / "out"))
    assert outcome.code == 0
    assert outcome.err == (
        "note: variant again (skip.fusion=add) is the same network as variant sums (skip.fusion=add) and is skipped\n"
    )
    assert len(list((tmp_path / "out").glob("*.yaml"))) == 2


def test_the_base_said_twice_is_there_once(run_cli: RunCli, tmp_path: Path) -> None:
    outcome = run_cli("sweep", write_sweep_file(tmp_path, "base: unet_milesial\nvariants: [{}, {}, {depth: 4}]\n"))
    assert outcome.err.splitlines() == [
        "note: base is the same network as base and is skipped",
        "note: depth=4 is the same network as base and is skipped",
    ]


def test_what_a_depth_leaves_no_place_for_is_noted(run_cli: RunCli, tmp_path: Path) -> None:
    outcome = run_cli("sweep", write_sweep_file(tmp_path, "base: unet_paper\naxes: {depth: [3, 4]}\n"))
    assert outcome.code == 0
    assert outcome.err.splitlines() == [
        "note: 1 variant with another input size than the base: the smallest that outputs 388 x 388 or more; "
        "compare that output window (hold: output)",
        "note: inherited setting levels.3.encoder is dropped at depth 3 (in depth=3)",
        "note: inherited setting levels.4 is dropped at depth 3 (in depth=3)",
    ]


def test_a_plugin_that_fails_in_one_variant_stops_no_other(
    run_cli: RunCli, tmp_path: Path, isolated_plugins: None
) -> None:
    (tmp_path / "crash.py").write_text(CRASHING_PLUGIN)
    file = write_sweep_file(tmp_path, "base: unet_milesial\naxes: {block: [conv, crash], depth: [2, 3]}\n")
    outcome = run_cli("sweep", file, "--plugin", str(tmp_path / "crash.py"))
    assert outcome.code == 3
    assert outcome.out.endswith("sweep: 2 variants of unet_milesial, 2 failed\n")
    lines = outcome.err.splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("failed at level 0 of the encoder: RuntimeError: out of ink (in block=crash,depth=2)")
    assert lines[1].endswith("RuntimeError: out of ink (in block=crash,depth=3)")
    assert lines[2].startswith("failed: encoder.0: block 'crash' of crash")
    assert lines[2].endswith("RuntimeError: out of ink (in block=crash,depth=2; block=crash,depth=3)")
    stopped = run_cli("sweep", file, "--plugin", str(tmp_path / "crash.py"), "--fail-fast", "-o", str(tmp_path / "out"))
    assert (stopped.code, (tmp_path / "out").exists()) == (3, False)
    assert stopped.out.endswith("sweep: 2 variants of unet_milesial, 1 failed; nothing written\n")
    with pytest.raises(PluginError):
        list(sweep(file, registry=unetgen.load_registry([str(tmp_path / "crash.py")])))


def test_an_option_that_only_a_plugin_has_can_be_an_axis(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    source = {"base": "unet_milesial", "axes": {"block": ["twice"], "block.kernel_size": [3, 5]}}
    assert len(list_labels(source)) == 2


# Sizes


def test_an_input_size_can_be_laid_over_the_base() -> None:
    variants = list(sweep({"base": "unet_milesial", "axes": {"depth": [2, 4]}}, input_size=(64, 64)))
    assert [v.report.input_size for v in variants] == [(64, 64), (64, 64)]


def test_one_number_is_an_input_size_for_all_axes() -> None:
    assert [v.report.input_size for v in sweep({"base": "unet_3d"}, input_size=(92,))] == [(92, 92, 92)]


def test_variants_of_a_base_without_a_size_are_measured_at_one_size() -> None:
    base = {
        "schema_version": 1,
        "in_channels": 1,
        "out_channels": 1,
        "widths": [4, 8, 16, 32],
        "block": {"padding": "zeros"},
    }
    variants = list(sweep({"base": base, "axes": {"depth": [1, 3]}}))
    assert {v.report.input_size for v in variants} == {(64, 64)}
    assert all(v.report.is_size_assumed for v in variants)


# Machine-readable


def test_json_has_all_variants_and_what_is_told_beside_them(run_cli: RunCli, tmp_path: Path) -> None:
    file = write_sweep_file(
        tmp_path, "base: unet_milesial\naxes: {depth: [4, 6], skip.fusion: [concat, add]}\nmatch: {params: base}\n"
    )
    outcome = run_cli("sweep", file, "--format", "json")
    record = json.loads(outcome.out)
    assert outcome.code == 1
    assert [variant["choices"] for variant in record["variants"]] == [
        {"depth": "4", "skip.fusion": "concat"},
        {"depth": "4", "skip.fusion": "add"},
    ]
    assert record["base"]["params"] == 31037698
    assert record["variants"][1]["match"]["target"] == 31037698
    assert record["variants"][1]["settings"]["widths"] == list(
        unetgen.load_spec("unet_milesial", **record["variants"][1]["settings"]).widths
    )
    assert record["refused"] == 2
    assert record["problems"][0]["variants"] == ["depth=6", "depth=6,skip.fusion=add"]


def test_the_schema_says_what_sweep_says(run_cli: RunCli, tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator
    from yaml import safe_load

    schema = json.loads(run_cli("schema", "--sweep").out)
    validator = Draft202012Validator(schema)
    good = [
        "base: unet_paper",
        "base: unet_paper\naxes: {skip.fusion: [concat, add], depth: [3, 4], block: [conv, {type: residual}]}",
        "base: unet_paper\naxes: {size: {small: {widths: [8, 16], depth: 1}, large: {}}}\nmode: one_at_a_time",
        "base: unet_paper\naxes: {up: {a: {upsample: interpolate, axes: {upsample.mode: [nearest]}, zip: {depth: [3], skip.fusion: [add]}}}}",
        "base: unet_paper\nzip: [{depth: [3, 4], skip.fusion: [add, concat]}]\nwhere: depth > 2",
        "base: {extends: unet_paper, depth: 3}\nvariants: [{}, {depth: 2}]\nname: x\ndescription: y",
        "base: unet_paper\nmode: list\nvariants: {a: {}, b: {depth: 3}}",
        "base: unet_paper\naxes: {depth: [3, 4]}\nmode: {type: sample, n: 2, seed: 3}",
        "base: unet_paper\nmatch: {macs: 150000000000, tolerance: 5%, by: widths, multiple: 4}\non_invalid: skip",
    ]
    bad = [
        "axes: {depth: [3]}",
        "base: 3",
        "base: {in_channels: x}",
        "base: unet_paper\nmdoe: grid",
        "base: unet_paper\nmode: gird",
        "base: unet_paper\nmode: sample",
        "base: unet_paper\nmode: {type: grid, n: 3}",
        "base: unet_paper\nmode: list",
        "base: unet_paper\naxes: {depth: 3}",
        "base: unet_paper\naxes: {depth: []}",
        "base: unet_paper\naxes: {depth: [x]}",
        "base: unet_paper\naxes: {wdiths: [[8, 16]]}",
        "base: unet_paper\naxes: {name: [a]}",
        "base: unet_paper\naxes: {block: [cnov]}",
        "base: unet_paper\naxes: {size: {small: 3}}",
        "base: unet_paper\nvariants: [{}]\naxes: {depth: [3]}",
        "base: unet_paper\nvariants: [{dpeth: 3}]",
        "base: unet_paper\nmatch: {parms: base}",
        "base: unet_paper\nmatch: {params: base, macs: base}",
        "base: unet_paper\nwhere: 3",
        "base: unet_paper\non_invalid: explode",
    ]
    for number, text in enumerate([*good, *bad]):
        file = write_sweep_file(tmp_path, text, f"{number}.yaml")
        assert validator.is_valid(safe_load(text)) == (text in good), text
        assert (run_cli("sweep", file).code == 0) == (text in good), text


def test_a_sweep_needs_no_torch(tmp_path: Path) -> None:
    import subprocess

    file = write_sweep_file(
        tmp_path, "base: unet_paper\naxes: {depth: [3, 4]}\nwhere: depth > 2\nmatch: {params: base}\n"
    )
    code = f"import sys; from unetgen.ablation.sweeps.sweep import sweep; list(sweep({file!r})); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_variants_are_variants() -> None:
    depth_sweep = unetgen.sweep({"base": "unet_milesial", "axes": {"depth": [3, 4]}})
    assert depth_sweep.count == 2
    assert all(isinstance(variant, Variant) for variant in depth_sweep)
