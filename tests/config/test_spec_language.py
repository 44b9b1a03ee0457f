"""The spec language: overlays, sides, levels, inheritance, scalars, the resolved form and its hash."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import unetgen
from support.paths import ROOT
from unetgen.config.part_cache import PartCache
from unetgen.config.provenance import trace_provenance
from unetgen.config.registry.part import Count
from unetgen.config.registry.registry import RegisteredPart, Registry
from unetgen.config.spec_resolution import resolve
from unetgen.config.spec_sources import apply_assignments, load_tree
from unetgen.config.yaml.parser import parse_scalar
from unetgen.config.yaml.writer import dump_yaml
from unetgen.errors import SpecError
from unetgen.parts.blocks.convolutional import Conv
from unetgen.plugins import load_registry

SMALL = {"schema_version": 1, "in_channels": 1, "out_channels": 2, "widths": [4, 8, 16]}


def small(**more: object) -> unetgen.Spec:
    return unetgen.load_spec({**SMALL, **more})


def repeats(spec: unetgen.Spec) -> dict[str, list[int]]:
    return {
        "encoder": [level.block.repeats for level in spec.encoder_levels],
        "bottleneck": [spec.bottleneck.repeats],
        "decoder": [level.block.repeats for level in spec.decoder_levels],
    }


# Overlays


def test_order_is_top_side_level_levels_side() -> None:
    spec = small(
        block={"repeats": 1},
        decoder={"block": {"repeats": 2}},
        levels={0: {"block": {"repeats": 3}, "encoder": {"block": {"repeats": 4}}}},
    )
    assert repeats(spec) == {"encoder": [4, 1], "bottleneck": [1], "decoder": [3, 2]}


def test_mappings_merge_and_lists_replace() -> None:
    spec = small(
        block={"norm": {"type": "batch", "eps": 1e-3}, "kernel_size": [3, 5]},
        decoder={"block": {"norm": {"momentum": 0.2}, "kernel_size": [1, 3]}},
    )
    norm = spec.decoder_levels[0].block.norm
    assert (norm.eps, norm.momentum) == (1e-3, 0.2)
    assert spec.decoder_levels[0].block.kernel_size == (1, 3)
    assert spec.encoder_levels[0].block.kernel_size == (3, 5)


def test_another_type_starts_from_its_own_defaults() -> None:
    spec = small(block={"norm": {"type": "batch", "eps": 1e-3}}, decoder={"block": {"norm": "instance"}})
    assert spec.decoder_levels[0].block.norm.eps == 1e-5


def test_the_same_type_by_name_changes_nothing() -> None:
    spec = small(block={"repeats": 3}, decoder={"block": "conv"})
    assert repeats(spec)["decoder"] == [3, 3]


def test_an_inherited_inert_option_is_reset_to_its_default() -> None:
    """``mode: nearest`` over a base's ``linear, align_corners`` is no mistake of who wrote it."""
    up = {"type": "interpolate", "mode": "linear", "align_corners": True}
    spec = small(upsample=up, levels={0: {"upsample": {"mode": "nearest"}}})
    assert spec.decoder_levels[0].upsample.align_corners is False
    assert spec.decoder_levels[1].upsample.align_corners is True


def test_an_option_over_its_inert_cause_is_rejected(tmp_path: Path) -> None:
    """The other way round it is a mistake: who writes the option last means it."""
    (tmp_path / "base.yaml").write_text(f"{dump_yaml(SMALL)}upsample: {{type: interpolate, mode: nearest}}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nupsample: {align_corners: true}\n")
    with pytest.raises(
        SpecError, match=r"mine\.yaml:2:12: upsample\.align_corners: 'align_corners' has no effect: mode 'nearest'"
    ):
        unetgen.load_spec(tmp_path / "mine.yaml")
    with pytest.raises(SpecError, match=r"^levels\.0\.upsample\.align_corners: 'align_corners' has no effect"):
        small(upsample="interpolate", levels={0: {"upsample": {"align_corners": True}}})


def test_an_inert_option_is_rejected_beside_an_inherited_one(tmp_path: Path) -> None:
    """Level 0 inherits what level 1 writes: only the written option is a problem."""
    corners = "upsample: {type: interpolate, mode: linear, align_corners: true}"
    (tmp_path / "base.yaml").write_text(f"{dump_yaml(SMALL)}{corners}\n")
    mine = "extends: base.yaml\nupsample: {mode: nearest}\nlevels: {1: {upsample: {align_corners: true}}}\n"
    (tmp_path / "mine.yaml").write_text(mine)
    with pytest.raises(
        SpecError, match=r"mine\.yaml:3:25: levels\.1\.upsample\.align_corners: 'align_corners' has no effect"
    ):
        unetgen.load_spec(tmp_path / "mine.yaml")


def test_the_cache_finds_parts_of_equal_values() -> None:
    """What one spec had checked another takes over, and nothing that only looks equal in Python."""
    registry, cache = load_registry(), PartCache()

    def resolved(block: object) -> unetgen.Spec:
        return resolve(load_tree({**SMALL, "block": block}, registry), registry, cache)

    first = resolved({"repeats": 1})
    assert resolved({"repeats": 1}).bottleneck is first.bottleneck
    for alike in (True, 1.0):
        with pytest.raises(SpecError, match="is not a whole number"):
            resolved({"repeats": alike})
    assert resolved({"bias": True}).hash == resolved("conv").hash
    with pytest.raises(SpecError, match="neither true nor false"):
        resolved({"bias": 1})


def test_cached_parts_depend_on_the_dimensions() -> None:
    registry, cache = load_registry(), PartCache()
    block = {"kernel_size": [3, 5]}
    resolve(load_tree({**SMALL, "block": block}, registry), registry, cache)
    with pytest.raises(SpecError, match="a list needs 3 numbers, one for each axis"):
        resolve(load_tree({**SMALL, "dims": 3, "block": block}, registry), registry, cache)


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unetgen.config.part_cache.MAX_ENTRIES", 16)
    registry, cache = load_registry(), PartCache()
    for width in range(1, 40):
        resolve(load_tree({**SMALL, "block": {"mid_channels": width}}, registry), registry, cache)
    assert len(cache) <= 16


def test_skips_can_be_dropped_and_restored_by_level() -> None:
    dropped = small(levels={0: {"skip": "none"}})
    assert [level.skip.is_dropped for level in dropped.decoder_levels] == [True, False]
    back = small(skip="none", levels={1: {"skip": {"fusion": "add"}}})
    assert back.decoder_levels[0].skip.describe() == "none"
    assert back.decoder_levels[1].skip.describe() == {
        "tap": "after_block",
        "gate": "none",
        "align": {"type": "crop", "operand": "skip", "place": "centre"},
        "transform": "none",
        "fusion": "add",
        "place": "after_upsample",
    }


def test_dropping_skips_shrinks_the_decoder() -> None:
    """Demand A48: fewer input channels, and just as many parameters fewer as predicted."""
    full, without_skip = unetgen.graph_of(small()), unetgen.graph_of(small(levels={0: {"skip": "none"}}))
    first = {node.path: node.op for node in without_skip.nodes}["decoder.0.conv1"]
    assert first.in_channels == 4
    num_skip_weights = sum(p.shape[0] * p.shape[1] for p in (full.parameters["decoder.0.conv1.weight"],)) * 9 // 2
    assert unetgen.build(small(levels={0: {"skip": "none"}}), device="meta").decoder is not None
    assert count(full) - count(without_skip) == num_skip_weights
    assert all("skip" not in node.path for node in unetgen.graph_of(small(skip="none")).nodes)


def count(graph: object) -> int:
    from unetgen.analysis.cost import count_parameters

    return count_parameters(graph)  # type: ignore[arg-type]


# Widths


def test_widths_that_grow_follow_the_depth() -> None:
    for depth in (2, 3, 4):
        spec = small(widths={"base": 8, "growth": 2, "max": 64}, depth=depth)
        assert spec.widths == tuple(min(8 * 2**i, 64) for i in range(depth + 1))
        assert spec.depth == depth


def test_a_depth_over_widths_uses_the_finest() -> None:
    spec = unetgen.load_spec("unet_paper", depth=3)
    assert spec.widths == (64, 128, 256, 512)
    assert spec.notices == (
        "inherited setting levels.3.encoder is dropped at depth 3",
        "inherited setting levels.4 is dropped at depth 3",
    )
    assert unetgen.load_spec(unetgen.load_spec("unet_milesial").resolved(), depth=2).resolved()["decoder"][
        "widths"
    ] == [
        64,
        128,
    ]


def test_widths_over_a_depth_determine_it() -> None:
    assert (
        unetgen.load_spec(unetgen.load_spec("unet_3d").resolved(), **{"widths": [8, 16], "decoder.widths": [8]}).depth
        == 1
    )


def test_a_depth_that_needs_more_than_the_inherited_widths_is_rejected() -> None:
    with pytest.raises(SpecError) as error:
        unetgen.load_spec("unet_milesial", depth=5)
    assert str(error.value).endswith("widths: depth 5 needs 6 widths, not 5; delete one of the two, or make them agree")


def test_simultaneous_assignments_override_nothing() -> None:
    with pytest.raises(SpecError) as error:
        unetgen.load_spec("unet_paper", depth=2, widths=[8, 16])
    assert str(error.value) == (
        "override: widths: depth 2 needs 3 widths, not 2; delete one of the two, or make them agree"
    )


def test_decoder_widths_mirror_the_encoders_unless_given() -> None:
    assert [level.width for level in small().decoder_levels] == [4, 8]
    assert [level.width for level in small(decoder={"widths": [6, 7]}).decoder_levels] == [6, 7]


def test_the_bottleneck_has_its_width() -> None:
    """Demand A11: nothing halves a width behind one's back; the reduction is a layer that is shown."""
    graph = unetgen.graph_of("unet_paper", upsample={"type": "interpolate", "mode": "linear"})
    nodes = {node.path: node for node in graph.nodes}
    assert nodes["bottleneck.conv2"].channels == 1024
    assert (nodes["decoder.3.up.conv"].op.in_channels, nodes["decoder.3.up.conv"].channels) == (1024, 512)


# Inheritance


def test_extends_a_shipped_spec_and_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("schema_version: 1\nextends: unet_paper\nin_channels: 3\nname: base\n")
    child = tmp_path / "child.yaml"
    child.write_text("schema_version: 1\nextends: base.yaml\nout_channels: 5\nblock: {norm: batch}\n")
    spec = unetgen.load_spec(child)
    assert (spec.in_channels, spec.out_channels, spec.name, spec.description) == (3, 5, "", "")
    assert spec.encoder_levels[0].block.norm.type == "batch"
    assert spec.input_size == (572, 572)


def test_a_file_precedes_a_shipped_spec_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unet_1d").write_text(json.dumps({**SMALL, "name": "mine"}))
    monkeypatch.chdir(tmp_path)
    assert unetgen.load_spec("unet_1d").name == "mine"


def test_cyclic_extends_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(
        SpecError, match=r"b\.yaml:1:10: extends: 'a\.yaml' extends itself, directly or not; break the cycle$"
    ):
        unetgen.load_spec(tmp_path / "a.yaml")


def test_problems_point_into_the_file_that_holds_them(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("extends: unet_paper\nblock: {norm: bach}\n")
    (tmp_path / "child.yaml").write_text("extends: base.yaml\nin_channels: 0\n")
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec(tmp_path / "child.yaml")
    locations = [(Path(p.location.source).name, p.location.line) for p in error_info.value.problems if p.location]
    assert locations == [("base.yaml", 2), ("child.yaml", 2)]


# Overrides


def test_set_reads_yaml_values_at_dotted_paths() -> None:
    tree = apply_assignments(
        load_tree("unet_paper", unetgen.load_registry()),
        ("upsample.type=interpolate", "widths=[8,16,32]", "levels=null", "block.norm=batch"),
    )
    data = tree.to_data()
    assert data["widths"] == [8, 16, 32]
    assert data["upsample"] == {"type": "interpolate"}
    assert data["block"]["norm"] == {"type": "batch"}


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("upp.type=x", "--set upp.type=x: upp: unknown key; see: unetgen new"),
        ("decoder.upp.type=x", "--set decoder.upp.type=x: decoder.upp: unknown option of decoder 'plain'; its options are block, skip, type, upsample"),
        ("depth", "--set depth: 'depth' has no '='; write --set path=value"),
        ("a..b=1", "--set a..b=1: a..b: a path is names joined by dots; write decoder.block.norm"),
    ],
)  # fmt: skip
def test_set_rejects_unknown_paths(assignment: str, sentence: str) -> None:
    from unetgen.config.spec_resolution import resolve

    registry = unetgen.load_registry()
    with pytest.raises(SpecError) as error_info:
        resolve(apply_assignments(load_tree("unet_1d", registry), (assignment,)), registry)
    assert sentence in str(error_info.value).splitlines()


def test_python_overrides_take_names_and_dotted_paths() -> None:
    spec = unetgen.load_spec("unet_paper", in_channels=3, **{"decoder.block.repeats": 1})
    assert spec.in_channels == 3
    assert repeats(spec)["decoder"] == [1] * 4
    again = unetgen.load_spec(spec, in_channels=3)
    assert again.hash == spec.hash


def test_a_value_that_is_not_yaml_is_rejected() -> None:
    sentence = "^override: block: YAML cannot represent a set; use numbers, text, lists and mappings$"
    with pytest.raises(SpecError, match=sentence):
        unetgen.load_spec("unet_paper", block={3})


# Scalars and bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5), ("1e5", 1e5), (".5", 0.5), ("5.", 5.0), ("-3", -3), ("010", 10), ("0o10", 8), ("0x1F", 31),
        ("no", "no"), ("off", "off"), ("yes", "yes"), ("true", True), ("False", False), ("~", None), ("null", None),
        ("", None), ("None", "None"), ("12:30", "12:30"), ("1_000", "1_000"), ("(3, 3)", "(3, 3)"), (".inf", float("inf")),
    ],
)  # fmt: skip
def test_scalars_are_read_as_yaml_1_2(text: str, value: object) -> None:
    read = parse_scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_a_rate_in_scientific_notation_is_a_number() -> None:
    spec = unetgen.load_spec(f"{dump_yaml(SMALL)}block: {{dropout: 1e-5}}\n")
    assert spec.bottleneck.dropout.rate == 1e-05


def test_numeric_shorthand_works_in_overlays() -> None:
    base = {"extends": "unet_milesial", "block": {"dropout": 0.1}}
    assert unetgen.load_spec(base, **{"block.dropout.rate": 0.3}).bottleneck.dropout.rate == 0.3
    spec = unetgen.load_spec({**base, "decoder": {"block": {"dropout": {"place": "every"}}}})
    assert [level.block.dropout.place for level in spec.decoder_levels] == ["every"] * 4
    assert spec.decoder_levels[0].block.dropout.rate == 0.1
    placed = {"extends": "unet_milesial", "block": {"dropout": {"type": "element", "rate": 0.1, "place": "every"}}}
    spec = unetgen.load_spec(placed, **{"block.dropout": 0.3})
    assert (spec.bottleneck.dropout.rate, spec.bottleneck.dropout.place) == (0.3, "every")
    spec = unetgen.load_spec({"extends": "unet_milesial", "block": {"dropout": "channel"}}, **{"block.dropout": 0.3})
    assert spec.bottleneck.dropout.type == "element"


@pytest.mark.parametrize("marked", [False, True])
def test_utf8_is_read_with_and_without_a_byte_order_mark_in_any_locale(tmp_path: Path, marked: bool) -> None:
    path = tmp_path / "spec.yaml"
    text = "# é is no ASCII\n" + dump_yaml(SMALL) + "description: naïve\n"
    path.write_bytes((b"\xef\xbb\xbf" if marked else b"") + text.encode())
    code = f"import unetgen; print(ascii(unetgen.load_spec({str(path)!r}).description))"
    locale = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=locale)
    assert done.stdout.strip() == r"'na\xefve'"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"schema_version: 1\nname: \xe9\n", "spec.yaml:2:7: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("name: x\n".encode("utf-16"), "spec.yaml:1:1: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"a: 1\n" * 250_000, "spec.yaml:1:1: the file has more than 1,000,000 bytes; is this a spec?"),
    ],
)
def test_files_that_are_not_specs(tmp_path: Path, raw: bytes, sentence: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(raw)
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec(path)
    assert str(error_info.value).endswith(sentence)


def test_anchors_and_merge_keys_work() -> None:
    text = dump_yaml(SMALL) + (
        "encoder: {block: &b {repeats: 3, norm: batch}}\nbottleneck: {block: *b}\n"
        "decoder: {block: {<<: *b, repeats: 1}}\n"
    )
    spec = unetgen.load_spec(text)
    assert repeats(spec) == {"encoder": [3, 3], "bottleneck": [3], "decoder": [1, 1]}
    assert spec.decoder_levels[0].block.norm.type == "batch"


def test_dict_specs_get_the_same_errors_by_path() -> None:
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec({**SMALL, "block": {"nrom": "batch"}, "wdiths": [1]})
    assert str(error_info.value).splitlines() == [
        "block.nrom: unknown option of block 'conv'; did you mean 'norm'?",
        "wdiths: unknown key; did you mean 'widths'?",
    ]


def test_the_schema_key_for_editors_is_ignored() -> None:
    assert small().hash == unetgen.load_spec({**SMALL, "$schema": "unetgen.schema.json"}).hash


def test_a_spec_without_version_is_read_with_a_notice() -> None:
    spec = unetgen.load_spec({k: v for k, v in SMALL.items() if k != "schema_version"})
    assert spec.notices == ("schema_version is missing; read as version 1",)


# The resolved form


@pytest.mark.parametrize("name", sorted(unetgen.specs()))
def test_resolving_is_idempotent_and_canonical(name: str) -> None:
    spec = unetgen.load_spec(name)
    text = dump_yaml(spec.resolved())
    again = unetgen.load_spec(text)
    assert dump_yaml(again.resolved()) == text
    assert again.hash == spec.hash
    assert unetgen.load_spec(json.loads(json.dumps(spec.resolved()))).hash == spec.hash
    assert yaml.safe_load(text) == spec.resolved(), "a YAML 1.1 reader sees the same"


def test_the_resolved_paper_is_a_golden_file(check_golden: object) -> None:
    check_golden("unet_paper.resolved.yaml", dump_yaml(unetgen.load_spec("unet_paper").resolved()))  # type: ignore[operator]


def test_equal_networks_have_equal_hashes() -> None:
    ways = [
        small(),
        small(name="x", description="y"),
        small(depth=2, widths={"base": 4}),
        small(block={"type": "conv", "repeats": 2}, decoder={"block": {"kernel_size": [3, 3]}}),
        small(levels={0: {"block": {"repeats": 2}}}),
        small(skip={"align": "crop"}, downsample="max_pool"),
    ]
    assert len({spec.hash for spec in ways}) == 1
    assert small(block={"repeats": 3}).hash != small().hash


def test_hash_is_the_same_on_every_machine() -> None:
    """It is in people's files: a change of it is a change of the spec language."""
    assert unetgen.load_spec("unet_paper").hash == (ROOT / "tests/golden/unet_paper.hash").read_text().strip()


def test_a_resolved_spec_does_not_depend_on_defaults() -> None:
    """Demand A57: the library's defaults may change, what was resolved stays."""

    class Later(Conv):
        """The block of a later version, with another default."""

        repeats: Count = 5

    now = unetgen.load_registry()
    entries = {e for names in now.entries.values() for found in names.values() for e in found}
    later = Registry(RegisteredPart(Later, e.provider) if e.part is Conv else e for e in entries)
    resolved = unetgen.load_spec("unet_paper").resolved()
    assert unetgen.graph_of(resolved, registry=later).digest == unetgen.graph_of(resolved).digest
    assert repeats(unetgen.load_spec(SMALL, registry=later))["bottleneck"] == [5]


def test_provenance_names_the_file_and_line_of_each_value(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("schema_version: 1\nextends: unet_paper\nlevels: {3: {encoder: {block: {dropout: 0.1}}}}\n")
    origins = {p: Path(origin).name for p, _, origin in trace_provenance(unetgen.load_spec(path))}
    assert origins["block.padding"] == "unet_paper.yaml:13:58"
    assert origins["block.dilation"] == "default"
    assert origins["widths"] == "unet_paper.yaml:12:9"
    assert origins["decoder.widths"] == "mirrors widths"
    assert origins["depth"] == "from widths"
    assert origins["levels.3.encoder.block.dropout.rate"] == "mine.yaml:3:41"
    assert origins["downsample.type"] == "unet_paper.yaml:14:13"


def test_every_value_of_the_resolved_spec_has_an_origin() -> None:
    for spec in unetgen.specs().values():
        assert all(origin for _, _, origin in trace_provenance(spec))
