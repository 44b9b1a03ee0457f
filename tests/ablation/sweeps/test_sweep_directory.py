"""Sweep directories: their content, and that they are written completely or not at all."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unetgen
from support.effort import ROTATING, num_examples
from unetgen.ablation.sweeps.directory import atomic_swap
from unetgen.ablation.sweeps.directory.index import JsonIndexWriter, read_index
from unetgen.ablation.sweeps.directory.signals import exit_cleanly_on_signals
from unetgen.ablation.sweeps.directory.writer import write_sweep
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.config.spec_diff import find_differing_fields
from unetgen.errors import SpecError

SMALL = """\
base: {extends: unet_milesial, widths: [4, 8, 16], input_size: [32, 32]}
axes: {skip.fusion: [concat, add], depth: [1, 2]}
"""

# Axes that can be combined freely with the bases below, and their values.
POOL = {
    "skip.fusion": ["concat", "add", "none"],
    "upsample": ["transposed_conv", {"type": "interpolate", "mode": "linear"}, "pixel_shuffle"],
    "depth": [1, 2, 3],
    "block.norm": ["none", "batch", {"type": "group", "groups": 2}],
    "block.activation": ["relu", {"type": "leaky_relu", "negative_slope": 0.2}],
    "block": [{"type": "conv", "padding": "zeros"}, {"type": "residual", "padding": "zeros"}],
    "decoder.block.repeats": [1, 2],
    "widths": [[4, 8, 16, 32], [8, 8, 16, 16]],
    "levels.0.skip": ["none", "concat"],
    "init": ["he_normal", "torch_default"],
    "skip.transform": ["none", "residual_path"],
    "skip.align": ["strict", "pad"],
}
SIZES = {"unet_3d": [16, 16, 16], "unet_1d": [32]}
PADDED = ("unet_tutorial", "unet_3d", "unet_1d")
ZOO = ("attention_unet", "unetplusplus", "resunet", "nnunet_2d", "multiresunet", "r2unet", "dynunet")
BASES = [
    {"extends": name, "widths": [4, 8, 16, 32], "input_size": SIZES.get(name, [32, 32])}
    | ({"block": {"padding": "zeros"}} if name in PADDED else {})
    for name in ("unet_milesial", *PADDED, *ZOO)
]

Draw = st.DrawFn


def draw_values(draw: Draw, path: str, max_size: int = 3) -> list[Any]:
    """Draw some values of a path."""
    return draw(st.lists(st.sampled_from(POOL[path]), min_size=1, max_size=max_size, unique_by=str))


def draw_settings(draw: Draw, paths: list[str]) -> dict[str, Any]:
    """Draw a value for each path."""
    return {path: draw(st.sampled_from(POOL[path])) for path in paths}


def draw_labels(draw: Draw, path: str, inner: str) -> dict[str, Any]:
    """Draw labels for values of a path; one of them has a nested axis or zip of another path."""
    nested = draw(st.sampled_from(["axes", "zip"]))
    return {
        "plain": {path: draw(st.sampled_from(POOL[path]))},
        "more": {path: draw(st.sampled_from(POOL[path])), nested: {inner: draw_values(draw, inner, 2)}},
    }


@st.composite
def sweeps(draw: Draw) -> dict[str, Any]:
    """Draw a sweep: axes, labels with nested axes, and zips, or a list of variants."""
    paths = draw(st.permutations(sorted(POOL)))
    source: dict[str, Any] = {"base": draw(st.sampled_from(BASES)), "on_invalid": "skip"}
    if draw(st.integers(0, 3)) == 0:
        variants = [draw_settings(draw, paths[: draw(st.integers(0, 3))]) for _ in range(draw(st.integers(1, 4)))]
        labels = draw(st.booleans())
        source["variants"] = {f"v{n}": variant for n, variant in enumerate(variants)} if labels else variants
    else:
        plain, (first, second, third, fourth) = paths[: draw(st.integers(1, 2))], paths[2:6]
        axes = {path: draw_values(draw, path) for path in plain}
        if draw(st.booleans()):
            axes["kind"] = draw_labels(draw, first, second)
        if draw(st.booleans()):
            pairs = zip(POOL[third], POOL[fourth], strict=False)
            columns = [list(column) for column in zip(*pairs, strict=True)]
            source["zip"] = dict(zip([third, fourth], columns, strict=True))
        source["axes"] = axes
        source["mode"] = draw(st.sampled_from(["grid", "one_at_a_time", {"type": "sample", "n": 3, "seed": 1}]))
    if draw(st.booleans()):
        source["match"] = {draw(st.sampled_from(["params", "macs"])): "base", "tolerance": 0.1, "multiple": 2}
    return source


def strip_location(path: str) -> str:
    """Return a path without its side or level."""
    steps = path.split(".")
    while steps[0] in ("encoder", "decoder", "bottleneck", "levels") and len(steps) > 1:
        steps = steps[2:] if steps[0] == "levels" else steps[1:]
    return ".".join(steps).removesuffix(".type")


def covers(setting: str, path: str) -> bool:
    """Return whether a setting covers a differing path, or the difference follows from it."""
    if setting == "depth":
        return strip_location(path) in ("depth", "widths") or path.startswith("levels.")
    if strip_location(setting) == "skip.fusion" and strip_location(path).startswith("skip"):
        return True  # a dropped skip has nothing else to say
    # The options of a part of another type are not listed one by one.
    return f"{strip_location(path)}.".startswith(
        f"{strip_location(setting)}."
    ) or f"{strip_location(setting)}.".startswith(f"{strip_location(path)}.")


def paths_in_name(name: str, source: dict[str, Any]) -> list[str]:
    """Return the paths that a name lists one by one; labels, zips and lists have a single entry."""
    parts = {part.partition("=")[0] for part in name.rpartition("-")[0].split(",")}
    return [path for path in source.get("axes", {}) if path in parts and path in POOL]


@pytest.mark.effort
@settings(ROTATING, max_examples=num_examples(70))
@given(source=sweeps(), spec_style=st.sampled_from(["resolved", "overlay"]))
def test_every_written_variant_is_what_its_name_and_the_index_say(
    source: dict[str, Any], spec_style: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("sweep") / "variants"
    written_sweep = sweep(source)
    write_sweep(written_sweep, directory, spec_style)
    index = json.loads((directory / "index.json").read_text())
    base = written_sweep.base_report.spec.resolved()
    assert len(index["variants"]) == len(list(directory.glob("*.yaml"))) - (spec_style == "overlay")
    for entry in index["variants"]:
        spec = unetgen.load_spec(str(directory / entry["file"]))
        assert spec.hash == entry["hash"]
        assert spec.name == entry["name"] == Path(entry["file"]).stem
        assert entry["name"].endswith(f"-{spec.hash[:8]}")
        assert unetgen.load_spec(spec.resolved()).hash == spec.hash
        differences = [text.partition(":")[0] for text in find_differing_fields(base, spec.resolved())]
        differences += ["init"] * (base["init"] != spec.resolved()["init"])
        for path in differences:
            assert any(covers(setting, path) for setting in entry["settings"]), (path, entry)
        for path in paths_in_name(entry["name"], source):
            # Another setting can override this one at one level, or for a whole part.
            beside = [other for other in entry["settings"] if other != path and covers(other, path)]
            assert beside or any(covers(path, other) for other in differences), (path, differences)
        again = [variant.spec.hash for variant in sweep({"base": str(directory / entry["file"])})]
        assert again == [spec.hash]


def test_index_and_table_say_the_same(tmp_path: Path) -> None:
    text = SMALL + "match: {params: base, multiple: 2}\n"
    write_sweep(sweep(text), tmp_path / "out")
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out" / "index.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == [entry["name"] for entry in index["variants"]]
    for row, entry in zip(rows, index["variants"], strict=True):
        assert (row["skip.fusion"], row["depth"]) == (entry["choices"]["skip.fusion"], entry["choices"]["depth"])
        assert int(row["params"]) == entry["params"]
        assert float(row["deviation"]) == pytest.approx(entry["match"]["deviation"], abs=1e-6)
        assert row["input"] == "3x32x32"
    assert index["base"]["hash"] == sweep(text).base_report.spec.hash
    assert index["file"]["axes"] == {"skip.fusion": ["concat", "add"], "depth": [1, 2]}


def test_overlays_extend_a_base_beside_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: unet_milesial\nwidths: [4, 8, 16]\ninput_size: [32, 32]\n")
    (tmp_path / "sweep.yaml").write_text("base: mine.yaml\naxes: {depth: [1, 2]}\n")
    directory = tmp_path / "deep" / "variants"
    directory.parent.mkdir()
    write_sweep(sweep(tmp_path / "sweep.yaml", input_size=(64, 64)), directory, "overlay")
    texts = sorted(path.read_text() for path in directory.glob("*.yaml"))
    assert all("extends: ../../mine.yaml" in text for text in texts)
    assert all(unetgen.load_spec(str(path)).input_size == (64, 64) for path in directory.glob("*.yaml"))


def test_a_base_in_the_sweeps_file_is_written_as_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: unet_paper\nschema_version: 1\ninput_size: [92, 92]\n")
    (tmp_path / "sweep.yaml").write_text(
        "base: {extends: mine.yaml, widths: [4, 8, 16, 16]}\naxes: {init: [torch_default]}\n"
    )
    (tmp_path / "deep").mkdir()
    written_sweep = sweep(tmp_path / "sweep.yaml")
    write_sweep(written_sweep, tmp_path / "deep" / "out", "overlay")
    assert (tmp_path / "deep" / "out" / "base.yaml").read_text() == (
        "extends: ../../mine.yaml\nwidths: [4, 8, 16, 16]\n"
    )
    (file,) = (tmp_path / "deep" / "out").glob("init*.yaml")
    assert file.stem.endswith(unetgen.load_spec(str(file)).hash[:8])


def test_a_directory_is_replaced_whole(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    write_sweep(sweep(SMALL), directory)
    before = sorted(os.listdir(directory))
    write_sweep(sweep(SMALL.replace("[1, 2]", "[1]")), directory)
    assert len(os.listdir(directory)) == len(before) - 2
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("how", ["no such call", "refused"])
def test_a_system_that_cannot_exchange_renames_twice(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_swap, "_find_swap_call", lambda: None if how == "no such call" else lambda *_: -1)
    directory = tmp_path / "out"
    for text in (SMALL, SMALL.replace("[1, 2]", "[1]")):
        write_sweep(sweep(text), directory)
    assert len(list(directory.glob("*.yaml"))) == 2
    assert os.listdir(tmp_path) == ["out"]


def write_error(directory: Path, text: str = SMALL, spec_style: str = "resolved") -> str:
    """Return the error of writing a sweep to a directory; check that no staging directory is left."""
    with pytest.raises(SpecError) as error:
        write_sweep(sweep(text), directory, spec_style)
    assert not list(Path(os.path.realpath(directory)).parent.glob(".*.partial"))
    return str(error.value)


def test_what_no_sweep_has_written_is_never_deleted(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    write_sweep(sweep(SMALL), directory)
    (directory / "results.csv").write_text("mine")
    assert write_error(directory) == (
        f"{directory} contains results.csv, which no sweep has written; choose another directory, or move it"
    )
    (directory / "notes.txt").write_text("mine too")
    assert write_error(directory) == (
        f"{directory} contains notes.txt and 1 more, which no sweep has written; choose another directory, or move it"
    )
    assert (directory / "results.csv").read_text() == "mine"


def test_a_base_that_no_sweep_has_written_is_never_deleted(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    write_sweep(sweep(SMALL), directory, "overlay")
    write_sweep(sweep(SMALL), directory)  # the sweep's own base is replaced with the rest
    (directory / "base.yaml").write_text("mine")
    assert write_error(directory, spec_style="overlay") == (
        f"{directory} contains base.yaml, which no sweep has written; choose another directory, or move it"
    )
    assert (directory / "base.yaml").read_text() == "mine"


def test_a_folder_of_the_name_of_a_variant_is_never_deleted(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    write_sweep(sweep(SMALL), directory)
    (directory / "index.csv").unlink()
    (directory / "index.csv").mkdir()
    (directory / "index.csv" / "mine.csv").write_text("mine")
    assert (
        write_error(directory)
        == f"{directory} contains index.csv, which no sweep has written; choose another directory, or move it"
    )


def test_what_turns_up_while_a_sweep_is_at_work_is_never_deleted(tmp_path: Path) -> None:
    directory = tmp_path / "out"
    write_sweep(sweep(SMALL), directory)
    before = set(os.listdir(directory))
    with pytest.raises(SpecError) as error:
        write_sweep(
            sweep(SMALL), directory, "resolved", lambda _: (directory / "notes.txt").write_text("mine") and None
        )
    assert str(error.value) == (
        f"{directory} contains notes.txt, which no sweep has written; choose another directory, or move it"
    )
    assert set(os.listdir(directory)) == {*before, "notes.txt"}
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(there: bool, tmp_path: Path) -> None:
    link, real = tmp_path / "link", tmp_path / "far" / "real"
    (real if there else real.parent).mkdir(parents=True)
    link.symlink_to(real)
    for text in (SMALL, SMALL.replace("[1, 2]", "[1]")):
        write_sweep(sweep(text), link)
    assert link.readlink() == real
    assert len(list(real.glob("*.yaml"))) == 2
    assert os.listdir(real.parent) == ["real"]
    assert sorted(os.listdir(tmp_path)) == ["far", "link"]


def test_overlays_behind_a_link_find_their_base(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "mine.yaml").write_text("extends: unet_milesial\nwidths: [4, 8, 16]\ninput_size: [32, 32]\n")
    (tmp_path / "linked").symlink_to(tmp_path / "specs")
    (tmp_path / "sweep.yaml").write_text("base: linked/mine.yaml\naxes: {depth: [1, 2]}\n")
    (tmp_path / "deep" / "er" / "place").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er" / "place")
    write_sweep(sweep(tmp_path / "sweep.yaml"), tmp_path / "link" / "out", "overlay")
    files = list((tmp_path / "link" / "out").glob("*.yaml"))
    assert len(files) == 2
    assert all("extends: ../../../../specs/mine.yaml" in file.read_text() for file in files)
    assert all(file.stem.endswith(unetgen.load_spec(str(file)).hash[:8]) for file in files)


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "no" / "out")
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    called = "contains the working directory and cannot be replaced; choose another directory"
    long = tmp_path / ("long" * 100)
    for directory, sentence in [
        (tmp_path / "no" / "out", f"folder not found: {tmp_path / 'no'}; create it first"),
        (tmp_path / "link", f"folder not found: {tmp_path / 'no'}; create it first"),
        (tmp_path / "file", f"{tmp_path / 'file'} is a file; give a directory"),
        (Path(), f". {called}"),
        (tmp_path / "here", f"{tmp_path / 'here'} {called}"),
        (long, f"cannot write {long}: file name too long; choose another directory"),
    ]:
        assert write_error(directory) == sentence


@pytest.mark.parametrize("where", ["pathlib.Path.mkdir", "pathlib.Path.rename", "pathlib.Path.iterdir"])
def test_what_the_system_does_not_allow_is_told(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "out"
    write_sweep(sweep(SMALL), directory)
    before = sorted(os.listdir(directory))

    def raise_permission_error(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(atomic_swap, "_find_swap_call", lambda: None)
        patch.setattr(where, raise_permission_error)
        with pytest.raises(SpecError) as error:
            write_sweep(sweep(SMALL), directory)
    assert str(error.value) == f"cannot write {directory}: permission denied; choose another directory"
    assert sorted(os.listdir(directory)) == before
    assert os.listdir(tmp_path) == ["out"]


def test_a_directory_that_is_not_to_be_written_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "out"
    directory.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    assert write_error(directory) == f"cannot write {directory}: permission denied; choose another directory"


@pytest.mark.parametrize("when", ["add", "finish"])
def test_a_full_disk_is_told(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_disk_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(JsonIndexWriter, when, raise_disk_full)
    directory = tmp_path / "out"
    assert write_error(directory) == f"cannot write {directory}: no space left on device; choose another directory"
    assert os.listdir(tmp_path) == []


def test_an_exchange_that_fails_half_way_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, rename = tmp_path / "out", Path.rename
    write_sweep(sweep(SMALL), directory)
    before = sorted(os.listdir(directory))

    def failing_rename(path: Path, target: Path) -> Path:
        if path.suffix == ".partial":
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, target)

    monkeypatch.setattr(atomic_swap, "_find_swap_call", lambda: None)
    monkeypatch.setattr(Path, "rename", failing_rename)
    assert write_error(directory) == f"cannot write {directory}: device or resource busy; choose another directory"
    assert sorted(os.listdir(directory)) == before
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("where", ["is_file", "read_text"])
def test_an_index_that_cannot_be_read_is_told(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_permission_error(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    write_sweep(sweep(SMALL), tmp_path / "out")
    monkeypatch.setattr(Path, where, raise_permission_error)
    with pytest.raises(SpecError) as error:
        read_index(tmp_path / "out")
    assert str(error.value) == (
        f"cannot read {tmp_path / 'out' / 'index.json'}: permission denied; make it readable, or choose another directory"
    )


def test_axes_with_the_names_of_columns_have_columns_of_their_own(tmp_path: Path) -> None:
    axes = (
        "{input: {gray: {in_channels: 1}, rgb: {in_channels: 3}}, params: {few: {block.repeats: 1}}, "
        "axis.params: {two: {out_channels: 2}}, skip.fusion: [concat]}"
    )
    write_sweep(sweep(SMALL.partition("axes")[0] + f"axes: {axes}\n"), tmp_path / "out")
    head, *rows = csv.reader((tmp_path / "out" / "index.csv").read_text().splitlines())
    assert head[:7] == ["name", "file", "hash", "axis.input", "axis.params", "axis.axis.params", "skip.fusion"]
    assert len(set(head)) == len(head)
    assert [row[3:7] for row in rows] == [["gray", "few", "two", "concat"], ["rgb", "few", "two", "concat"]]
    assert [row[head.index("input")] for row in rows] == ["1x32x32", "3x32x32"]


def test_names_are_cut_by_the_bytes_that_file_systems_count(tmp_path: Path) -> None:
    for letter, kept in [("a", 100), ("\u00e9", 50), ("\u7f51", 33), ("\U00020000", 25)]:
        text = SMALL.partition("axes")[0] + f"axes: {{{letter * 120}: {{{letter}: {{depth: 1}}}}}}\n"
        (variant,) = sweep(text)
        assert variant.name == f"{letter * kept}-{variant.spec.hash[:8]}"
        write_sweep(sweep(text), tmp_path / "out")
        assert (tmp_path / "out" / variant.filename).is_file()


def default_interrupts() -> None:
    """Reset handlers: a background process, as these tests may be, makes its children ignore SIGINT or SIGHUP."""
    for sign in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("sign", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_an_interrupted_sweep_leaves_the_old_directory(sign: signal.Signals, code: int, tmp_path: Path) -> None:
    directory = tmp_path / "out"
    write_sweep(sweep(SMALL), directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    many = ", ".join(f"0.{number:04d}" for number in range(1, 9999))  # so many that a busy machine interrupts them too
    (tmp_path / "many.yaml").write_text(SMALL.replace("axes: {", f"axes: {{block.dropout: [{many}], "))
    command = [sys.executable, "-m", "unetgen", "sweep", str(tmp_path / "many.yaml"), "-o", str(directory)]
    child = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=default_interrupts,  # noqa: PLW1509
    )
    while not [path for draft in tmp_path.glob(".out.*") for path in draft.glob("*.yaml")]:
        assert child.poll() is None, "it was done before it could be interrupted"
        time.sleep(0.01)
    child.send_signal(sign)
    assert child.wait() == code
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    # SIGKILL prevents any cleanup; the next sweep must work despite the remaining files.
    assert bool(list(tmp_path.glob(".out.*"))) == (sign == signal.SIGKILL)
    write_sweep(sweep(SMALL), directory)


def test_signals_that_somebody_heeds_stay_theirs() -> None:
    def other_handler(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, other_handler)
    try:
        with exit_cleanly_on_signals():
            assert signal.getsignal(signal.SIGTERM) is other_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    seen = []

    def elsewhere() -> None:
        with exit_cleanly_on_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_variants_stream(count: int) -> None:
    """Only the hash and the settings of a variant are kept in memory."""
    rates = ", ".join(f"0.{number:04d}" for number in range(1, count // 2 + 1))
    base = (
        "{schema_version: 1, in_channels: 1, out_channels: 1, widths: [2, 4], "
        "block: {padding: zeros, repeats: 1}, input_size: [8, 8]}"
    )
    written_sweep = sweep(
        f"base: {base}\naxes: {{block.dropout: [{rates}], upsample: [transposed_conv, interpolate]}}\n"
    )
    references: list[weakref.ref[Any]] = []
    alive = []
    for variant in written_sweep:
        references += [weakref.ref(variant.graph), weakref.ref(variant.report.spec)]
        if len(references) % 1000 == 0:
            alive.append(sum(thing() is not None for thing in references[-1000:]))
    assert written_sweep.count == len(references) / 2 == count
    assert max(alive) <= 8  # the last one, and what the collector has not looked at yet
