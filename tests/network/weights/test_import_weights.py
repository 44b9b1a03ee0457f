"""Importing weights of other implementations: by key map and by structure, round trips, and errors."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn

import unetgen
from support.command_line import RunCli
from support.external_networks import (
    SPEC,
    DoublyRegisteredUNet,
    MilesialUNet,
    RecursiveUNet,
    ShuffledUNet,
    build_equivalent,
    with_trained_state,
)
from unetgen.errors import WeightsError
from unetgen.network.weights.external_checkpoint import ExternalCheckpoint
from unetgen.network.weights.inverse_import import export_with_key_map
from unetgen.network.weights.shared_layers import find_aliases
from unetgen.network.weights.state_layer import group_by_signature, group_into_layers
from unetgen.network.weights.tensor_file import _read_torch

NETS = [ShuffledUNet, DoublyRegisteredUNet, RecursiveUNet]
PARTIAL = "import what matches with --partial (partial=True)"
HINT = "use the map of this network"


def state_dict(net: nn.Module) -> dict[str, Tensor]:
    return dict(net.state_dict())


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy the tensors, as a file does that cannot express shared memory."""
    return {key: tensor.clone() for key, tensor in tensors.items()}


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return list(first) == list(second) and all(first[key].equal(second[key]) for key in first)


def same_outputs(mine: nn.Module, theirs: nn.Module, channels: int = 1) -> bool:
    x = torch.randn(2, channels, 32, 48, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return torch.equal(mine(x), theirs(x))


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(WeightsError) as refused:
        unetgen.import_weights(*arguments, **options)
    return str(refused.value)


def small(**layers: nn.Module) -> dict[str, Tensor]:
    """A state dict of some layers, in the order given."""
    return state_dict(nn.ModuleDict(layers))


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "mine.yaml").write_text(json.dumps(SPEC))
    return str(tmp_path / "mine.yaml")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    torch.save(state_dict(with_trained_state(DoublyRegisteredUNet())), tmp_path / "theirs.pth")
    return tmp_path / "theirs.pth"


# By structure


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("how", [state_dict, lambda net: copied(state_dict(net))], ids=["shared", "copied"])
def test_outputs_are_equal(net: type[nn.Module], how: Callable[[nn.Module], dict[str, Tensor]]) -> None:
    other, mine = with_trained_state(net()), build_equivalent()
    report = unetgen.import_weights(mine, how(other))
    assert same_outputs(mine, other)
    assert (report.key_map, report.missing, report.unmatched_source) == (None, {}, {})
    assert set(report.pairs) == set(other.state_dict())
    assert set(report.pairs.values()) == set(mine.state_dict())


def test_milesials_net_in_another_order() -> None:
    """The second time under other names, so that the shipped key map matches none of them."""
    other = with_trained_state(MilesialUNet(4))
    order = ["outc", "down4", "down3", "down2", "down1", "inc", "up4", "up3", "up2", "up1"]
    other._modules = {name: other._modules[name] for name in order}
    mine = unetgen.build("unet_milesial", widths=[4, 8, 16, 32, 64], seed=1).eval()
    named = unetgen.import_weights(mine, state_dict(other))
    assert (named.key_map, named.matched_by_order) == ("unet_milesial", 0)
    assert same_outputs(mine, other, channels=3)
    again = unetgen.build("unet_milesial", widths=[4, 8, 16, 32, 64], seed=2).eval()
    unnamed = unetgen.import_weights(again, {f"net.{key}": tensor for key, tensor in state_dict(other).items()})
    assert (unnamed.key_map, unnamed.matched_by_order) == (None, 26)
    assert same_outputs(again, other, channels=3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: {"epoch": 3, "state_dict": net},
        lambda net: {"model": {f"module.{key}": tensor for key, tensor in net.items()}, "step": torch.tensor(3)},
        lambda net: {"network": {"weights": net}, "optimizer": {"state": {0: {"exp": torch.ones(1)}}}},
        lambda net: {f"_orig_mod.module.{key}": tensor for key, tensor in net.items()},
    ],
)
def test_wrappers_of_training_scripts_are_removed(tmp_path: Path, wrap: Callable[..., Any]) -> None:
    other, mine = with_trained_state(ShuffledUNet()), build_equivalent()
    torch.save(wrap(state_dict(other)), tmp_path / "theirs.pth")
    assert list(unetgen.import_weights(mine, tmp_path / "theirs.pth").pairs) == list(other.state_dict())
    assert same_outputs(mine, other)


def test_a_network_without_memory_and_a_compiled_one_are_filled_too() -> None:
    other = with_trained_state(RecursiveUNet())
    empty, compiled = build_equivalent(device="meta").eval(), torch.compile(build_equivalent(), backend="eager")
    unetgen.import_weights(empty, state_dict(other))
    unetgen.import_weights(compiled, state_dict(other))
    assert same_outputs(empty, other)
    assert equal(state_dict(empty), state_dict(compiled._orig_mod))


def test_batch_counters_are_optional() -> None:
    other, mine = with_trained_state(ShuffledUNet()), build_equivalent()
    for norm in (module for module in mine.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.num_batches_tracked += 5
    tensors = {key: tensor for key, tensor in state_dict(other).items() if "num_batches" not in key}
    assert unetgen.import_weights(mine, tensors).is_complete
    assert same_outputs(mine, other)
    assert {int(tensor) for key, tensor in state_dict(mine).items() if "num_batches" in key} == {0}
    without = build_equivalent(
        **{"block.norm": "instance", "block.norm.affine": True, "block.norm.track_running_stats": False}
    )
    assert "running_mean (4,) of the checkpoint is unmatched" in refusal(without, state_dict(other))


def test_running_statistics_are_required() -> None:
    tensors = {key: tensor for key, tensor in state_dict(ShuffledUNet()).items() if "running" not in key}
    assert "\n  encoder.0.norm1.running_mean (4,) of this network is missing\n" in refusal(build_equivalent(), tensors)
    assert set(unetgen.import_weights(build_equivalent(), tensors, partial=True).pairs) == set(tensors)


# Duplicates


@pytest.mark.parametrize(("net", "folded"), [(DoublyRegisteredUNet, 44), (RecursiveUNet, 22)])
@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("train", [False, True])
def test_one_layer_in_several_places_is_one(net: type[nn.Module], folded: int, *, copy: bool, train: bool) -> None:
    """Also before training, when all norms are equal and only their positions distinguish them."""
    other = with_trained_state(net()) if train else net()
    report = unetgen.import_weights(build_equivalent(), copied(state_dict(other)) if copy else state_dict(other))
    unique = {key.rpartition(".")[0] for key, _ in other.named_parameters()}
    assert len(report.aliases) == folded
    assert set(report.aliases).isdisjoint(unique)
    assert set(report.aliases.values()) <= unique
    assert all(report.layer_pairs[alias] == report.layer_pairs[original] for alias, original in report.aliases.items())


def test_layers_equal_by_chance_are_not_aliases() -> None:
    tensors = small(a=nn.Conv2d(1, 2, 3), b=nn.BatchNorm2d(2), c=nn.Conv2d(2, 2, 3), d=nn.BatchNorm2d(2))
    layers = group_into_layers(copied(tensors))
    assert find_aliases(layers, {kind: len(group) for kind, group in group_by_signature(layers).items()}) == {}
    assert find_aliases(layers, {}) == {}


def test_initial_norms_are_merged_only_to_the_expected_number() -> None:
    net = nn.Module()
    net.one, net.two = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), nn.Module()
    net.two.again = net.one
    layers = group_into_layers(copied(state_dict(net)))
    kinds = dict.fromkeys(group_by_signature(layers), 1)
    assert find_aliases(layers, kinds) == {"two.again.0": "one.0", "two.again.1": "one.1"}
    assert find_aliases(layers, dict.fromkeys(kinds, 2)) == {"two.again.0": "one.0"}


# Ambiguous layers


def test_a_kind_with_another_number_of_layers_stays_unmatched() -> None:
    tensors = state_dict(with_trained_state(ShuffledUNet()))
    tensors["extra.weight"] = torch.randn(8, 8, 3, 3)
    tensors["extra.bias"] = torch.randn(8)
    mine = build_equivalent()
    before = copied(state_dict(mine))
    sentence = refusal(mine, tensors)
    assert sentence == (
        "the state dict: does not match this network by structure: 4 tensors missing, 6 unmatched; "
        f"give a key map, or {PARTIAL}\n"
        "  encoder.1.conv2.weight (8, 8, 3, 3) of this network is missing\n"
        "  encoder.1.conv2.bias (8,) of this network is missing\n"
        "  decoder.1.conv2.weight (8, 8, 3, 3) of this network is missing\n"
        "  decoder.1.conv2.bias (8,) of this network is missing\n"
        "  b.3.weight (8, 8, 3, 3) of the checkpoint is unmatched\n"
        "  b.3.bias (8,) of the checkpoint is unmatched\n"
        "  back.1.3.weight (8, 8, 3, 3) of the checkpoint is unmatched\n"
        "  back.1.3.bias (8,) of the checkpoint is unmatched\n"
        "  extra.weight (8, 8, 3, 3) of the checkpoint is unmatched\n"
        "  extra.bias (8,) of the checkpoint is unmatched"
    )
    assert equal(state_dict(mine), before)
    report = unetgen.import_weights(mine, tensors, partial=True)
    assert report.missing["encoder.1.conv2.weight"] == (8, 8, 3, 3)
    assert mine.encoder.get_submodule("1.conv2").weight.equal(before["encoder.1.conv2.weight"])
    assert mine.get_submodule("head.0.conv").weight.equal(tensors["out.weight"])


def test_a_long_list_is_cut_on_both_sides() -> None:
    lines = refusal(build_equivalent(), small(**{f"x{i}": nn.Linear(3, 3) for i in range(20)})).splitlines()
    assert len(lines) == 14
    assert [line.strip() for line in lines[6:8]] == ["encoder.0.norm1.running_var (4,) of this network is missing", "x0.weight (3, 3) of the checkpoint is unmatched"]  # fmt: skip
    assert lines[-1] == f"  ... and {len(state_dict(build_equivalent())) + 40 - 12} more"


def test_a_sorted_file_does_not_distinguish_equal_layers(tmp_path: Path) -> None:
    """safetensors sorts its keys, so the order of the layers is lost."""
    path = tmp_path / "theirs.safetensors"
    save_file(state_dict(with_trained_state(ShuffledUNet())), path)
    first, *_ = refusal(build_equivalent(), path).splitlines()
    assert first == (
        f"{path}: sorted by name, so layers of equal kind cannot be distinguished: 58 tensors missing, 58 unmatched; "
        f"import a file of torch.save, give a key map, or {PARTIAL}"
    )


def test_a_partial_import_needs_initial_weights() -> None:
    tensors = state_dict(ShuffledUNet())
    del tensors["out.bias"]
    with pytest.raises(WeightsError) as refused:
        unetgen.import_weights(build_equivalent(device="meta"), tensors, partial=True)
    assert str(refused.value) == (
        "the state dict: this network is on the meta device and has no initial weights to keep; "
        "build it on another device"
    )


def test_files_without_one_state_dict() -> None:
    assert refusal(build_equivalent(), {"epoch": 3}) == (
        "the state dict: contains no tensors; save model.state_dict() with torch.save"
    )
    two = {"model": state_dict(ShuffledUNet()), "ema": {"inner": state_dict(ShuffledUNet())}}
    assert refusal(build_equivalent(), two) == (
        "the state dict: contains several state dicts: model, ema.inner; save one with torch.save"
    )


# Key maps

STARS = {
    "encoder.stages.*.0.conv": "encoder.*.conv1",
    "encoder.stages.*.0.norm": "encoder.*.norm1",
    "encoder.stages.*.1.conv": "encoder.*.conv2",
    "encoder.stages.*.1.norm": "encoder.*.norm2",
    "encoder.stages.2.0.conv": "bottleneck.conv1",
    "encoder.stages.2.0.norm": "bottleneck.norm1",
    "encoder.stages.2.1.conv": "bottleneck.conv2",
    "encoder.stages.2.1.norm": "bottleneck.norm2",
    "decoder.stages.0.0.*": "decoder.1.*1",
    "decoder.stages.0.1.*": "decoder.1.*2",
    "decoder.stages.1.0.*": "decoder.0.*1",
    "decoder.stages.1.1.*": "decoder.0.*2",
    "decoder.transpconvs.0": "decoder.1.up",
    "decoder.transpconvs.1": "decoder.0.up",
    "decoder.seg": "head.0.conv",
    "encoder.*.*.*.all_modules.*": None,
    "decoder.stages.*.*.all_modules.*": None,
    "decoder.encoder.*.*.*.*": None,
    "decoder.encoder.*.*.*.all_modules.*": None,
}


def test_stars_match_steps_and_parts_of_steps() -> None:
    other, mine = with_trained_state(DoublyRegisteredUNet()), build_equivalent()
    report = unetgen.import_weights(mine, state_dict(other), key_map=STARS)
    assert (report.key_map, report.matched_by_order) == ("given", 0)
    assert len(report.ignored) == len(state_dict(other)) - len(report.pairs)
    assert same_outputs(mine, other)
    again = build_equivalent(seed=3)
    unetgen.load_weights(again, state_dict(other), key_map=STARS)
    assert equal(state_dict(again), state_dict(mine))


def test_a_star_never_matches_a_dot_or_nothing() -> None:
    tensors = small(head=nn.Conv2d(4, 2, 1))
    for pattern in ("*head", "he.*", "*.*"):
        assert refusal(build_equivalent(), tensors, key_map={pattern: pattern}).splitlines()[0] == (
            f"the state dict: the key map given leaves 76 tensors missing, 2 unmatched; correct the map, or {PARTIAL}"
        )
    assert set(
        unetgen.import_weights(build_equivalent(), tensors, key_map={"h*": "h*.0.conv"}, partial=True).pairs.values()
    ) == {
        "head.0.conv.weight",
        "head.0.conv.bias",
    }


def test_entries_without_a_star_go_first() -> None:
    tensors = small(a=nn.Conv2d(4, 2, 1), b=nn.Conv2d(4, 2, 1))
    for names in ({"*": None, "a": "head.0.conv"}, {"*.*": None, "a": "head.0.conv"}):
        report = unetgen.import_weights(build_equivalent(), tensors, key_map=names, partial=True)
        assert report.pairs == {"a.weight": "head.0.conv.weight", "a.bias": "head.0.conv.bias"}
        assert report.ignored == ("b.weight", "b.bias")


def test_two_source_layers_may_have_one_target_if_equal() -> None:
    tensors = small(a=nn.Conv2d(4, 2, 1), b=nn.Conv2d(4, 2, 1))
    both = {"*": "head.0.conv*"}
    assert "2 unmatched" not in refusal(build_equivalent(), tensors, key_map=both)
    same = {"a": "head.0.conv", "b": "head.0.conv"}
    assert refusal(build_equivalent(), tensors, key_map=same, partial=True) == (
        f"the state dict: two different tensors map to head.0.conv.weight; {HINT}"
    )
    tensors |= {key.replace("a", "b", 1): tensor for key, tensor in tensors.items() if key[0] == "a"}
    assert unetgen.import_weights(build_equivalent(), tensors, key_map=same, partial=True).aliases == {"b": "a"}


def test_key_map_errors() -> None:
    assert refusal(build_equivalent(), state_dict(ShuffledUNet()), key_map={"a.*.*": "encoder.*"}) == (
        "the key map given: the entry 'a.*.*' has 2 stars and 'encoder.*' has 1 star; use the same number on both sides"
    )
    assert refusal(build_equivalent(), state_dict(ShuffledUNet()), key_map={"a.*": "encoder"}) == (
        "the key map given: the entry 'a.*' has 1 star and 'encoder' has no stars; use the same number on both sides"
    )
    assert refusal(build_equivalent(), state_dict(ShuffledUNet()), key_map={"a": 3}) == (
        "the key map given: the entry 'a' maps to 3, which is not a layer; write 'source.layer: target.layer'"
    )


@pytest.mark.parametrize("text", ["", "- a\n", "a\n"])
def test_a_file_that_is_no_key_map(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(text)
    assert refusal(build_equivalent(), state_dict(ShuffledUNet()), key_map=path) == (
        f"{path}: not a key map; write lines of 'source.layer: target.layer'"
    )


def test_the_shape_of_a_named_layer_is_checked() -> None:
    tensors = small(a=nn.Conv2d(4, 3, 1))
    lines = refusal(build_equivalent(), tensors, key_map={"a": "head.0.conv"}).splitlines()
    assert "  a.weight (3, 4, 1, 1) of the checkpoint is unmatched" in lines


# Round trip


def export_back(mine: nn.Module, path: Path, **names: Any) -> dict[str, Tensor]:
    from unetgen.network.weights.tensor_file import write_state_dict

    tensors, _ = export_with_key_map(mine, **names)
    write_state_dict(tensors, path)
    return tensors


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
@pytest.mark.parametrize("net", NETS)
def test_round_trip_by_structure(tmp_path: Path, net: type[nn.Module], suffix: str) -> None:
    other, mine, path = with_trained_state(net()), build_equivalent(), tmp_path / f"back.{suffix}"
    unetgen.import_weights(mine, state_dict(other))
    assert equal(export_back(mine, path, like=state_dict(with_trained_state(net(), seed=5))), state_dict(other))
    other.load_state_dict(ExternalCheckpoint.of(path).tensors)
    again = build_equivalent(seed=9)
    unetgen.import_weights(again, path)
    assert equal(state_dict(again), state_dict(mine))
    assert same_outputs(again, other)


def test_round_trip_by_key_map(tmp_path: Path) -> None:
    mine = with_trained_state(unetgen.build("unet_milesial", widths=[4, 8, 16, 32, 64], seed=1))
    export_back(mine, tmp_path / "back.pth")
    other = MilesialUNet(4).eval()
    other.load_state_dict(torch.load(tmp_path / "back.pth", weights_only=True))
    assert same_outputs(mine, other, channels=3)
    again = unetgen.build("unet_milesial", widths=[4, 8, 16, 32, 64], seed=2)
    assert unetgen.import_weights(again, tmp_path / "back.pth").key_map == "unet_milesial"
    assert equal(state_dict(again), state_dict(mine))


def test_all_names_of_a_layer_are_written_back(tmp_path: Path) -> None:
    lists = {f"{theirs}.all_modules.{i}": f"{mine}.{name}1" for theirs, mine in (("a", "encoder.0"), ("b", "encoder.1")) for i, name in enumerate(("conv", "norm"))}  # fmt: skip
    names = {"*.conv": "encoder.*.conv1", "a.norm": "encoder.0.norm1", **lists}
    tensors = export_back(build_equivalent(), tmp_path / "back.safetensors", key_map=names, like=None, partial=True)
    layers = {key.rpartition(".")[0] for key in tensors}
    assert layers == {"0.conv", "1.conv", "a.norm", *lists}


def test_keys_of_an_earlier_entry_are_not_written_back() -> None:
    names = {"stage.0.conv": "bottleneck.conv1", "stage.*.conv": "encoder.*.conv1"}
    tensors, _ = export_with_key_map(build_equivalent(), key_map=names, partial=True)
    assert {key.rpartition(".")[0] for key in tensors} == {"stage.0.conv", "stage.1.conv"}
    assert tensors["stage.0.conv.weight"].shape == (16, 8, 3, 3)


def test_an_inverse_export_needs_names() -> None:
    with pytest.raises(WeightsError) as refused:
        export_with_key_map(build_equivalent())
    assert str(refused.value) == ("mine: no key map for this network; give --key-map, or a checkpoint with --like")
    with pytest.raises(WeightsError) as refused:
        export_with_key_map(build_equivalent(), key_map={"a": "head.0.conv"})
    assert str(refused.value).splitlines()[0] == (
        f"mine: the key map given leaves 74 tensors missing, 0 unmatched; correct the map, or {PARTIAL}"
    )


# The command


def test_the_text_report(run_cli: RunCli, spec: str, theirs: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours.safetensors"
    outcome = run_cli("import-weights", spec, str(theirs), "--out", str(out))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "matched          76 tensors of 23 layers by structure\n"
        "aliases          44 duplicate layers in the checkpoint, merged\n"
        "notice           14 layers of equal kind matched by order only; "
        "compare the outputs with the original's\n"
        f"written          {out}\n"
    )
    assert same_outputs(unetgen.load(out), with_trained_state(DoublyRegisteredUNet()))


def test_the_json_report(run_cli: RunCli, spec: str, theirs: Path) -> None:
    record = json.loads(run_cli("import-weights", spec, str(theirs), "--format", "json").out)
    assert {key: record[key] for key in ("source", "by", "key_map", "tensors", "layers", "by_order")} == {
        "source": str(theirs), "by": "structure", "key_map": None, "tensors": 76, "layers": 23, "by_order": 14,
    }  # fmt: skip
    assert {"theirs": "decoder.seg.bias", "ours": "head.0.conv.bias"} in record["pairs"]
    assert record["aliases"]["encoder.stages.0.0.all_modules.1"] == "encoder.stages.0.0.norm"
    assert (record["missing"], record["left_over"], record["left_out"]) == ([], [], [])
    assert record["notice"].endswith("compare the outputs with the original's")


def test_a_partial_report_lists_both_sides(run_cli: RunCli, spec: str, tmp_path: Path) -> None:
    tensors = {**small(head=nn.Conv2d(4, 2, 1), x=nn.Linear(3, 3)), "classes": [1, 2]}
    torch.save(tensors, tmp_path / "part.pth")
    outcome = run_cli("import-weights", spec, str(tmp_path / "part.pth"))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(
        f"{tmp_path / 'part.pth'}: does not match this network by structure: 74 tensors missing"
    )
    command = ("import-weights", spec, str(tmp_path / "part.pth"), "--partial", "--seed", "7")
    lines = run_cli(*command, "--out", str(tmp_path / "o.safetensors")).out.splitlines()
    assert lines[:3] == [
        "matched          2 of 76 tensors of 1 layer by structure",
        "ignored          classes",
        "missing          encoder.0.conv1.weight (4, 1, 3, 3)",
    ]
    assert "missing          ... and 62 more" in lines
    assert "unmatched        x.bias (3,)" in lines
    kept = build_equivalent(seed=7)
    kept.get_submodule("head.0.conv").load_state_dict({"weight": tensors["head.weight"], "bias": tensors["head.bias"]})
    assert equal(state_dict(unetgen.load(tmp_path / "o.safetensors")), state_dict(kept))
    assert {"key": "x.bias", "shape": [3]} in json.loads(run_cli(*command, "--format", "json").out)["left_over"]


def test_a_key_map_is_written_read_and_used(run_cli: RunCli, spec: str, theirs: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.yaml"
    outcome = run_cli("import-weights", spec, str(theirs), "--write-key-map", str(names))
    assert outcome.out.splitlines()[-1] == f"key map          {names}"
    heading, _, first, *rest = names.read_text().splitlines()
    assert heading == f"# Layers of {theirs} on the left, of unetgen on the right, matched by structure."
    assert first == "encoder.stages.0.0.conv: encoder.0.conv1"
    assert len(rest) == 66
    again = run_cli(
        "import-weights", spec, str(theirs), "--key-map", str(names), "--out", str(tmp_path / "o.safetensors")
    )
    assert again.out.startswith(
        f"matched          76 tensors of 23 layers by the key map {names}\naliases          44 "
    )
    assert same_outputs(unetgen.load(tmp_path / "o.safetensors"), with_trained_state(DoublyRegisteredUNet()))


def test_layers_with_names_like_numbers_are_written_as_names(run_cli: RunCli, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv1d(1, 2, 1), nn.ConvTranspose1d(3, 1, 1))
    torch.save({**state_dict(net), "null.weight": torch.ones(9)}, tmp_path / "net.pth")
    from unetgen.network.weights.key_map import KeyTranslator, write_key_map

    entries = {"0": "a", "1e3": "b", "null": "c", "x": None}
    write_key_map(entries, "What it is.", tmp_path / "names.yaml")
    assert yaml.safe_load((tmp_path / "names.yaml").read_text()) == entries
    assert [KeyTranslator(tmp_path / "names.yaml").translate(f"{key}.weight") for key in entries if key != "x"] == ["a.weight", "b.weight", "c.weight"]  # fmt: skip
    with pytest.raises(WeightsError) as refused:
        write_key_map(entries, "What it is.", tmp_path / "no" / "names.yaml")
    assert str(refused.value) == (
        f"{tmp_path}/no/names.yaml: cannot be written: folder not found: {tmp_path}/no; create it first"
    )


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_the_command_inverts(run_cli: RunCli, spec: str, theirs: Path, tmp_path: Path, suffix: str) -> None:
    mine, path = tmp_path / "ours.safetensors", tmp_path / f"back.{suffix}"
    run_cli("import-weights", spec, str(theirs), "--out", str(mine))
    outcome = run_cli("import-weights", spec, str(mine), "--invert", "--like", str(theirs), "--out", str(path))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == f"written          {path}"
    assert equal(ExternalCheckpoint.of(path).tensors, ExternalCheckpoint.of(theirs).tensors)
    run_cli("import-weights", spec, str(path), "--out", str(tmp_path / "again.safetensors"))
    assert equal(state_dict(unetgen.load(tmp_path / "again.safetensors")), state_dict(unetgen.load(mine)))


def test_the_command_inverts_by_key_map(run_cli: RunCli, tmp_path: Path) -> None:
    sizes = ("--set", "widths=[2,4,6,8,10]")
    first, path, again = (str(tmp_path / name) for name in ("a.safetensors", "b.pt", "c.safetensors"))
    run_cli("build", "unet_milesial", *sizes, "--out", first)
    assert run_cli("import-weights", "unet_milesial", first, *sizes, "--invert", "--out", path).code == 0
    run_cli("import-weights", "unet_milesial", path, *sizes, "--out", again)
    assert equal(state_dict(unetgen.load(again)), state_dict(unetgen.load(first)))
    wrong = run_cli("import-weights", "unet_milesial", first, "--invert", "--out", path)
    assert (wrong.code, wrong.err.splitlines()[1]) == (
        1,
        "  widths: [2, 4, 6, 8, 10] there, [64, 128, 256, 512, 1024] here",
    )


def test_like_requires_invert(run_cli: RunCli, spec: str, theirs: Path) -> None:
    outcome = run_cli("import-weights", spec, str(theirs), "--like", str(theirs))
    assert outcome.code == 2
    assert "Error: --like has no effect without --invert; add --invert, or remove --like" in outcome.err


@pytest.mark.parametrize("kind", ["bool_", "int32", "int64", "uint8", "float16", "float32", "float64"])
def test_numpy_numbers_beside_the_weights_are_read(kind: str, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    number = getattr(numpy, kind)(1)
    torch.save({"state_dict": {"w": torch.ones(2)}, "loss": number}, tmp_path / "net.pt")
    assert _read_torch(tmp_path / "net.pt")["loss"] == number


def test_numpy_objects_other_than_numbers_are_refused(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    torch.save({"w": torch.ones(2), "names": numpy.array(["a"], dtype=object)}, tmp_path / "net.pt")
    with pytest.raises(
        WeightsError, match=r"contains numpy._core.multiarray._reconstruct, numpy.ndarray beside tensors"
    ):
        _read_torch(tmp_path / "net.pt")


def test_a_refused_file_names_what_blocks(tmp_path: Path) -> None:
    file = tmp_path / "theirs.pth"
    torch.save({"state_dict": {"a": torch.zeros(2)}, "epoch": 3, "args": Namespace(epochs=3)}, file)
    with pytest.raises(WeightsError) as error_info:
        _read_torch(file)
    assert str(error_info.value) == (
        f"{file}: contains argparse.Namespace beside tensors, so it is not loaded; save a state dict with torch.save"
    )
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(WeightsError) as error_info:
        _read_torch(file)
    assert str(error_info.value) == (
        f"{file}: not a file of tensors only, so it is not loaded; save a state dict with torch.save"
    )
