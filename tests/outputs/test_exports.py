"""Exported programs (torch.export, ONNX, AOTInductor) compute what the network computes, at other sizes too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch

import unetgen
from support.command_line import RunCli
from support.tiers import slow_unless
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.network.unet import flatten_outputs
from unetgen.outputs.exports import aoti, onnx, program, pt2
from unetgen.outputs.exports.metadata import METADATA_KEYS, read_metadata
from unetgen.outputs.exports.program import make_example_input
from unetgen.outputs.exports.several_formats import write_programs
from unetgen.outputs.exports.sizes import iter_candidates

pytestmark = pytest.mark.usefixtures("single_torch_thread")

NARROW = {"widths": [4, 8], "input_size": None}

# What is difficult to export: crops, pads to a skip, resizes, gates over whole feature maps, shared weights, lists and
# dicts of outputs, one and three dimensions, norms of each kind.
NETWORKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "crops": ("unet_paper", NARROW, "n = 0 (mod 2), n >= 18"),
    "pads": ("unet_milesial", NARROW, "n >= 4"),
    "resizes": ("unet_wolny_3d", {"widths": [8, 8], "input_size": None}, "n >= 4"),
    "gates": ("attention_unet", NARROW, "n = 0 (mod 2), n >= 4"),
    "squeezes": ("residual_se_unet_3d", {"widths": [8, 8], "input_size": None}, "n >= 4"),
    "again": ("r2unet", NARROW, "n = 0 (mod 2), n >= 4"),
    "a list": ("unet_milesial", {**NARROW, "widths": [4, 8, 8], "head": "deep_supervision"}, "n >= 8"),
    "one axis": ("unet_1d", {"widths": [4, 8], "input_size": None}, "n = 0 (mod 2), n >= 4"),
    "shuffles": ("unet_milesial", {**NARROW, "upsample": "pixel_shuffle", "block.norm": "instance"}, "n >= 4"),
}


# Sizes between the residue classes, below the first, and with one axis that does not fit.
MISFITS = {
    "crops": [(19, 20), (21, 21), (16, 16)],
    "gates": [(9, 8), (2, 4)],
    "pads": [(3, 4)],
    "one axis": [(7,), (2,)],
    "resizes": [(4, 4, 3)],
}


def network(name: str) -> Any:
    spec, overrides, _ = NETWORKS[name]
    return unetgen.build(spec, seed=0, **overrides).eval()


def load_session(path: Path) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    import onnxruntime

    opened = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(y) for y in opened.run(None, {"image": x.numpy()})]


def assert_equal_outputs(model: Any, run: Callable[[torch.Tensor], Any], sizes: Any, bound: float) -> None:
    for size in sizes:
        for batch in (1, 3):
            x = make_example_input(model, size, batch)
            with torch.no_grad():
                ours, theirs = flatten_outputs(model(x)), flatten_outputs(run(x))
            assert len(ours) == len(theirs)
            for a, b in zip(ours, theirs, strict=True):
                assert (a - b).abs().max() <= bound * a.abs().max()


def assert_rejected(pt2_run: Any, onnx_run: Any, images: list[torch.Tensor], sizes: str) -> None:
    for x in images:
        with pytest.raises(RuntimeError) as error:
            pt2_run(x)
        assert str(error.value) == f"the input size does not fit; valid sizes: {sizes}"
        with pytest.raises(Exception, match=re.escape(f"Name:'the input size does not fit; valid sizes: {sizes}'")):
            onnx_run(x)


# Crops, three dimensions, gates and several outputs; the other networks as ONNX are for the slow tier.
ONNX_IN_LINE = ("crops", "resizes", "gates", "a list")


@pytest.mark.parametrize("name", slow_unless(ONNX_IN_LINE, NETWORKS))
def test_programs_equal_the_network(name: str, tmp_path: Path) -> None:
    """One run of torch.export for both formats, in the order in which a change of the program would be visible."""
    model, description = network(name), NETWORKS[name][2]
    exported = program.export_verified(model)
    sizes = exported.sizes.verification_sizes
    code = str(exported.program.graph)
    pt2_run = check_pt2(name, model, exported, tmp_path / "net.pt2")
    assert description in onnx.write(model, tmp_path / "net.onnx", exported=exported)
    assert str(exported.program.graph) == code
    onnx_run = load_session(tmp_path / "net.onnx")
    assert_equal_outputs(model, onnx_run, sizes, 1e-4)
    assert_rejected(pt2_run, onnx_run, misfits(name, model), description)
    assert_metadata(tmp_path / "net.onnx", model, description)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ONNX_IN_LINE])
def test_pt2_programs_equal_the_network(name: str, tmp_path: Path) -> None:
    model = network(name)
    run = check_pt2(name, model, program.export_verified(model), tmp_path / "net.pt2")
    for x in misfits(name, model):
        with pytest.raises(RuntimeError, match=r"^the input size does not fit; valid sizes: "):
            run(x)


def check_pt2(name: str, model: Any, exported: Any, path: Path) -> Any:
    """Write the program, compare it with the network at three sizes, and return it as a module."""
    description = NETWORKS[name][2]
    assert exported.sizes.description == description
    sizes = exported.sizes.verification_sizes
    assert len(sizes) == 3
    assert description in pt2.write(model, path, exported=exported)
    run = torch.export.load(path).module()
    assert_equal_outputs(model, run, sizes, 1e-6)
    empty_batch = torch.zeros(0, model.graph.in_channels, *sizes[0])
    assert not any(map(len, flatten_outputs(run(empty_batch))))  # the batch size is free
    assert_metadata(path, model, description)
    return run


def misfits(name: str, model: Any) -> list[torch.Tensor]:
    return [torch.zeros(2, model.graph.in_channels, *size) for size in MISFITS.get(name, ())]


def assert_metadata(path: Path, model: Any, description: str) -> None:
    metadata = read_metadata(path)
    assert tuple(metadata) == METADATA_KEYS
    assert metadata["unetgen.sizes"] == description
    assert unetgen.load_spec(json.loads(metadata["unetgen.spec"])).hash == model.spec.hash == metadata["unetgen.hash"]


def test_several_formats_are_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    export_program = program.export_program
    monkeypatch.setattr(program, "export_program", lambda *a: (calls.append(a), export_program(*a))[1])
    paths: dict[Any, Path] = {"onnx": tmp_path / "net.onnx", "pt2": tmp_path / "net.pt2"}
    summaries = write_programs(network("one axis"), paths, opset=18)
    assert len(calls) == 1
    assert summaries["onnx"].startswith("opset 18, sizes n = 0 (mod 2), n >= 4, max relative error ")
    assert summaries["pt2"].startswith("sizes n = 0 (mod 2), n >= 4, max relative error ")
    x = torch.zeros(2, 1, 12)
    outputs = [load_session(paths["onnx"])(x)[0], torch.export.load(paths["pt2"]).module()(x)]
    assert torch.allclose(outputs[0], outputs[1], atol=1e-5)


def test_every_shipped_network_can_be_exported_for_several_sizes() -> None:
    fixed = {name for name in list_shipped_specs() if not any(next(iter_candidates(unetgen.graph_of(name), None)).dims)}
    assert fixed == set()


@pytest.mark.slow
def test_a_compiled_package_runs_without_unetgen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The wrapper code takes longer to compile than the kernels.
    monkeypatch.setattr(torch._inductor.config.aot_inductor, "compile_wrapper_opt_level", "O0")
    model = unetgen.build("unet_paper", seed=0, widths=[2, 2], input_size=None).eval()
    assert "sizes n = 0 (mod 2), n >= 18" in aoti.write(model, tmp_path / "net.pt2")
    torch.save((torch.ones(2, 1, 24, 28), model(torch.ones(2, 1, 24, 28)).detach()), tmp_path / "pair.pt")
    code = (
        "import sys, torch; sys.modules['unetgen'] = None\n"
        "x, y = torch.load('pair.pt')\n"
        "found = torch._inductor.aoti_load_package('net.pt2')(x)\n"
        "assert torch.allclose(found, y, atol=1e-5)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, check=True)
    assert read_metadata(tmp_path / "net.pt2")["unetgen.hash"] == model.spec.hash


def test_programs_of_one_size_reject_others_with_messages_of_the_runtime(tmp_path: Path) -> None:
    model = network("pads")
    pt2.write(model, tmp_path / "one.pt2", input_size=(48, 52))
    with pytest.raises(AssertionError, match=r"^Guard failed: x.size\(\)\[3\] == 52$"):
        torch.export.load(tmp_path / "one.pt2").module()(torch.zeros(1, 3, 48, 56))
    onnx.write(model, tmp_path / "one.onnx", input_size=(48, 52))
    with pytest.raises(Exception, match="Got: 56 Expected: 52"):
        load_session(tmp_path / "one.onnx")(torch.zeros(1, 3, 48, 56))


def test_the_command_prints_a_summary(run_cli: RunCli, tmp_path: Path) -> None:
    model = network("a list")
    unetgen.save(model, tmp_path / "net.safetensors")
    done = run_cli(
        "export",
        str(tmp_path / "net.safetensors"),
        "-o",
        str(tmp_path / "net.onnx"),
        "--opset",
        "18",
        "--input-size",
        "16",
    )
    assert done.code == 0
    assert done.out.startswith(f"{tmp_path}/net.onnx: written, opset 18, sizes 16 x 16 only, ")
    assert re.search(r", max relative error \S+ in onnxruntime\n$", done.out)
    import onnxruntime

    opened = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert [value.name for value in opened.get_inputs()] == ["image"]
    assert [value.name for value in opened.get_outputs()] == ["output_0", "output_1"]
    assert opened.get_inputs()[0].shape[1:] == [3, 16, 16]


REFUSED = {
    "no format": (["net.xyz"], "{tmp}/net.xyz: unknown format 'xyz'; available formats: aoti, onnx, pt2, python, safetensors\n"),
    "no suffix": (
        ["net"],
        "{tmp}/net: the file name has no suffix to infer the format from; add one, or --format; "
        "available formats: aoti, onnx, pt2, python, safetensors\n",
    ),
    "an option": (["net.pt2", "--opset", "18"], "{tmp}/net.pt2: --opset has no effect on format 'pt2'; remove it\n"),
    "a size": (
        ["net.PY", "--input-size", "16"], "{tmp}/net.PY: --input-size has no effect on format 'python'; remove it\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_command_errors(name: str, run_cli: RunCli, tmp_path: Path) -> None:
    (file, *more), sentence = REFUSED[name]
    narrow = ["--set", "widths=[4, 4]", "--set", "input_size=null"]
    done = run_cli("export", "unet_milesial", *narrow, "-o", str(tmp_path / file), *more)
    assert (done.code, done.err) == (2, sentence.format(tmp=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_suffixes_in_capitals_are_read(run_cli: RunCli, tmp_path: Path) -> None:
    done = run_cli(
        "export", "unet_milesial", "--set", "widths=[4, 4]", "--set", "input_size=null", "-o", str(tmp_path / "n.PY")
    )
    assert (done.code, done.out) == (0, f"{tmp_path}/n.PY: written\n")


def test_a_size_that_does_not_fit_leaves_no_file(run_cli: RunCli, tmp_path: Path) -> None:
    done = run_cli("export", "unet_paper", "-o", str(tmp_path / "net.onnx"), "--input-size", "100")
    assert done.code == 1
    assert done.err.startswith("input_size: 100 on axis H gives 5 at level 3, which max_pool cannot halve")
    assert list(tmp_path.iterdir()) == []


def test_a_newer_opset_is_an_error(tmp_path: Path) -> None:
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(network("pads"), tmp_path / "net.onnx", opset=newest + 1)
    assert str(error.value) == (
        f"{tmp_path}/net.onnx: opset {newest + 1} is newer than the installed onnx; use {newest} or older"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_failed_compilation_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fails)
    with pytest.raises(unetgen.UnetgenError) as error:
        aoti.write(network("pads"), tmp_path / "net.pt2")
    assert str(error.value) == f"{tmp_path}/net.pt2: AOTInductor failed: OSError: no space left; export pt2"
    assert list(tmp_path.iterdir()) == []


def test_files_without_a_spec_are_errors(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "c.pt2", "w") as archive:
        archive.writestr("net/unetgen.json", "{")
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    (tmp_path / "a.pt2").write_bytes(b"nothing")
    torch.save({}, tmp_path / "b.pt2")
    sentences = {
        "none.pt2": "file not found; check the path",
        "a.pt2": "not a package of torch; export it again",
        "c.pt2": "not a package of torch; export it again",
        "b.pt2": "contains no spec; write the file with unetgen export",
        "a.onnx": "not an ONNX file; export it again",
    }
    for name, sentence in sentences.items():
        with pytest.raises(unetgen.UnetgenError) as error:
            read_metadata(tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: {sentence}"


def test_missing_dependencies_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(network("pads"), tmp_path / "net.onnx")
    assert str(error.value) == "ONNX needs onnxruntime, which is not installed; run: pip install 'unetgen[onnx]'"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(unetgen.UnetgenError) as error:
        aoti.write(network("pads"), tmp_path / "net.pt2")
    assert str(error.value) == (
        f"{tmp_path}/net.pt2: aoti needs a C++ compiler, but none was found; install g++, or export pt2"
    )


def test_reading_onnx_needs_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(unetgen.UnetgenError) as error:
        read_metadata(tmp_path / "net.onnx")
    assert str(error.value) == "reading ONNX needs onnx, which is not installed; run: pip install 'unetgen[onnx]'"


def test_weights_beyond_the_limit_of_protobuf_are_an_error(tmp_path: Path) -> None:
    model = unetgen.build("unet_milesial", widths=[4, 12_000], input_size=None, device="meta")
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(model, tmp_path / "net.onnx")
    assert str(error.value) == f"{tmp_path}/net.onnx: the weights exceed the 2 GB limit of ONNX files; export pt2"


def test_a_failed_verification_in_onnxruntime_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no such kernel\nand more of it")

    monkeypatch.setattr(onnx, "_create_session", fails)
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(network("one axis"), tmp_path / "net.onnx")
    assert str(error.value) == (f"{tmp_path}/net.onnx: verification in onnxruntime failed: no such kernel; export pt2")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_torch_export_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("a branch on data\nand where")

    monkeypatch.setattr(program, "export_program", fails)
    with pytest.raises(unetgen.UnetgenError) as error:
        program.export_verified(network("one axis"))
    assert str(error.value) == "torch.export cannot export this network: a branch on data; export it as python"


def test_a_differing_program_is_an_error() -> None:
    model = network("one axis")
    with pytest.raises(ValueError, match=r"^the program differs from the network by 0\.5 of the largest output$"):
        program.compute_max_relative_error(model, lambda x: model(x) * 1.5, [(8,)])
    with pytest.raises(
        ValueError, match=r"^for input size \(8,\) the program's output has shape \(1, 5, 7\), not \(1, 5, 8\)$"
    ):
        program.compute_max_relative_error(model, lambda x: model(x)[..., 1:], [(8,)])


def test_the_training_mode_is_restored(tmp_path: Path) -> None:
    model = network("pads").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    pt2.write(model, tmp_path / "net.pt2")
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
