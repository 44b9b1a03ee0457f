"""Files in place of a spec or a sweep: weights files with a spec inside, and what is no text at all."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import unetgen
from support.command_line import RunCli
from support.runs import SAMPLE_TRIALS
from unetgen.errors import SpecError, UnetgenError, WeightsError

WRITE_SPEC = "write the spec of its network, then: unetgen import-weights SPEC FILE"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    unetgen.save(unetgen.build("unet_milesial", seed=3, widths=[4, 8], input_size=[32, 32]), path)
    return path


def spec_error(path: Path) -> str:
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec(path)
    return str(error_info.value)


def test_a_weights_file_is_its_spec(weights: Path) -> None:
    assert unetgen.load_spec(weights).resolved() == unetgen.load(weights).spec.resolved()
    assert unetgen.load_spec(weights).hash == unetgen.load(weights).spec.hash


@pytest.mark.parametrize("command", ["inspect", "show", "validate", "draw -o {out}", "build", "compare"])
def test_commands_take_a_weights_file(command: str, weights: Path, tmp_path: Path, run_cli: RunCli) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(run_cli("show", str(weights)).out)
    name, *options = command.split()
    results = []
    for number, source in enumerate((weights, spec)):
        out = tmp_path / f"{number}.svg"
        outcome = run_cli(name, str(source), *(option.format(out=out) for option in options))
        assert (outcome.code, outcome.err) == (0, "")
        shown = outcome.out.replace(str(source), "SPEC").replace(str(out), "OUT")
        results.append((shown, out.read_bytes() if out.exists() else b""))
    assert results[0] == results[1]


def test_a_spec_may_extend_a_weights_file(weights: Path) -> None:
    extended = unetgen.load_spec({"extends": str(weights), "out_channels": 7})
    assert (extended.widths, extended.out_channels) == ((4, 8), 7)


def test_build_does_not_pass_initial_weights_off_as_those_of_a_file(
    weights: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    with pytest.raises(WeightsError) as error_info:
        unetgen.build(weights)
    assert str(error_info.value) == (
        f"{weights}: build would not load the weights of this file; call unetgen.load({str(weights)!r}), or "
        "build(load_spec(...)) for a network with initial weights"
    )
    out = tmp_path / "new.safetensors"
    outcome = run_cli("build", str(weights), "--out", str(out))
    assert outcome.code == 2
    assert outcome.err.endswith(
        f"--out writes initial weights, not those of {weights}; use: unetgen export {weights} -o {out}\n"
    )
    assert not out.exists()


def test_weights_files_without_a_spec(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    assert spec_error(path) == f"{path}: the weights file contains no spec; {WRITE_SPEC}"
    for spec in ("[]", "{", json.dumps({"extends": "/etc/passwd"})):
        save_file({"a": torch.zeros(2)}, path, {"unetgen.spec": spec})
        assert spec_error(path) == (
            f"{path}: the spec in the weights file is not a resolved spec; write the file with unetgen.save"
        )
    copied = "check that the file was copied completely"
    path.write_bytes(weights.read_bytes()[:300])
    size = struct.unpack("<Q", weights.read_bytes()[:8])[0]
    assert spec_error(path) == f"{path}: not a safetensors file: its header has 292 of {size:,} bytes; {copied}"
    path.write_bytes(struct.pack("<Q", 9) + b"{no json}")
    assert spec_error(path) == f"{path}: not a safetensors file: its header is not JSON; {copied}"
    path.write_bytes(struct.pack("<Q", 2**31) + b"{}")
    assert spec_error(path) == f"{path}: not a safetensors file: its header has 2,147,483,648 bytes; {copied}"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("net.dat", b"a\0b", "a binary file, not a spec; give the spec, a YAML file"),
        ("net.onnx", b"\x08\n\x12\x07pytorch\0", "an ONNX program, not a spec; give the spec, a YAML file"),
        ("image.png", b"\x89PNG\r\n", "an image, not a spec; give the spec, a YAML file"),
        ("net.pt2", b"PK\x03\x04" + bytes(40), "an exported PyTorch program, not a spec; give the spec, a YAML file"),
        ("all.zip", b"PK\x03\x04" + bytes(40), "a zip archive, not a spec; give the spec, a YAML file"),
        ("image.nii.gz", b"\x1f\x8b\x08", "a compressed file, not a spec; give the spec, a YAML file"),
    ],
)
def test_binary_files_are_named(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert spec_error(path) == f"{path}: {sentence}"


@pytest.mark.parametrize(
    ("suffix", "kind"), [("pth", "PyTorch file"), ("bin", "PyTorch file"), ("ckpt", "PyTorch checkpoint")]
)
@pytest.mark.parametrize("in_archive", [True, False])
def test_state_dicts_are_named(suffix: str, kind: str, in_archive: bool, tmp_path: Path, run_cli: RunCli) -> None:
    path = tmp_path / f"net.{suffix}"
    torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=in_archive)
    assert spec_error(path) == f"{path}: a {kind}, not a spec; {WRITE_SPEC}"
    assert run_cli("export", str(path), "-o", str(tmp_path / "x.onnx")).err == f"{spec_error(path)}\n"
    assert run_cli("sweep", str(path)).err == f"{path}: a {kind}, not a sweep; give the sweep, a YAML file\n"


def test_a_spec_in_place_of_a_sweep_is_one_hint(tmp_path: Path, weights: Path, run_cli: RunCli) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(run_cli("show", str(weights)).out)
    sentence = f"this is a spec, not a sweep; write base: {path} in a sweep file, for one network without axes"
    assert run_cli("sweep", str(path)).err == f"{path}:1:1: {sentence}\n"
    run = run_cli("run", str(path), "-o", str(tmp_path / "out"), "--trial", f"{SAMPLE_TRIALS}:seeded_metrics")
    assert run.err == f"{path}:1:1: {sentence}\n"
    with pytest.raises(UnetgenError, match="write the spec as its 'base' in a sweep file"):
        unetgen.sweep({"extends": "unet_paper"})
    assert run_cli("sweep", str(weights)).err == (
        f"{weights}: a safetensors file, not a sweep; write a sweep whose 'base' is this file\n"
    )
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(f"base: {weights}\naxes: {{skip.fusion: [concat, add]}}\n")
    assert run_cli("sweep", str(sweep)).code == 0
