"""Programs: torch.export's, ONNX in onnxruntime and AOTInductor's compute what the network computes, at other sizes too."""

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
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.outputs.exports import aoti, onnx, program, pt2
from unetgen.outputs.exports.metadata import METADATA_KEYS, read_metadata
from unetgen.outputs.exports.program import flatten_outputs, make_example_input
from unetgen.outputs.exports.sizes import iter_candidates

pytestmark = pytest.mark.usefixtures("single_torch_thread")

NARROW = {"widths": [4, 8, 8], "input_size": None}

# What exporters stumble over: crops, pads to a skip, resizes, gates over whole maps, weights that are used again, lists and
# dicts of outputs, one and three dimensions, norms of each kind.
NETWORKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "crops": ("unet_paper", NARROW, "n = 0 (mod 4), n >= 44"),
    "pads": ("unet_milesial", NARROW, "n >= 8"),
    "resizes": ("unet_wolny_3d", {"widths": [8, 8], "input_size": None}, "n >= 4"),
    "gates": ("attention_unet", NARROW, "n = 0 (mod 4), n >= 8"),
    "squeezes": ("residual_se_unet_3d", {"widths": [8, 8], "input_size": None}, "n >= 4"),
    "again": ("r2unet", NARROW, "n = 0 (mod 4), n >= 8"),
    "a list": ("unet_milesial", {**NARROW, "head": "deep_supervision"}, "n >= 8"),
    "one axis": ("unet_1d", {"widths": [4, 8], "input_size": None}, "n = 0 (mod 2), n >= 4"),
    "shuffles": ("unet_milesial", {**NARROW, "upsample": "pixel_shuffle", "block.norm": "instance"}, "n >= 8"),
}


# Between the classes, below the least, and one axis of many.
MISFITS = {
    "crops": [(50, 48), (47, 47), (40, 40)],
    "gates": [(18, 16), (4, 8)],
    "pads": [(7, 8)],
    "one axis": [(7,), (2,)],
    "resizes": [(4, 4, 3)],
}


def network(name: str) -> Any:
    spec, overrides, _ = NETWORKS[name]
    return unetgen.build(spec, seed=0, **overrides).eval()


def session(path: Path) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    import onnxruntime

    opened = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(y) for y in opened.run(None, {"image": x.numpy()})]


def check(model: Any, run_cli: Callable[[torch.Tensor], Any], sizes: Any, bound: float) -> None:
    for size in sizes:
        for batch in (1, 3):
            x = make_example_input(model, size, batch)
            with torch.no_grad():
                ours, theirs = flatten_outputs(model(x)), flatten_outputs(run_cli(x))
            assert len(ours) == len(theirs)
            for a, b in zip(ours, theirs, strict=True):
                assert (a - b).abs().max() <= bound * a.abs().max()


def check_refused(of_torch: Any, of_onnx: Any, images: list[torch.Tensor], told: str) -> None:
    for x in images:
        with pytest.raises(RuntimeError) as error:
            of_torch(x)
        assert str(error.value) == f"the image does not fit; sizes are {told}"
        with pytest.raises(Exception, match=re.escape(f"Name:'the image does not fit; sizes are {told}'")):
            of_onnx(x)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_its_programs(name: str, tmp_path: Path) -> None:
    model, told = network(name), NETWORKS[name][2]
    sizes = next(found for found in iter_candidates(model.graph, None) if found.description == told).verification_sizes
    assert len(sizes) == 3
    assert told in pt2.write(model, tmp_path / "net.pt2")
    of_torch = torch.export.load(tmp_path / "net.pt2").module()
    check(model, of_torch, sizes, 1e-6)
    assert told in onnx.write(model, tmp_path / "net.onnx")
    of_onnx = session(tmp_path / "net.onnx")
    check(model, of_onnx, sizes, 1e-4)
    check_refused(
        of_torch, of_onnx, [torch.zeros(2, model.graph.in_channels, *size) for size in MISFITS.get(name, ())], told
    )
    assert not any(
        map(len, flatten_outputs(of_torch(torch.zeros(0, model.graph.in_channels, *sizes[0]))))
    )  # no guard on batches
    for path in (tmp_path / "net.pt2", tmp_path / "net.onnx"):
        found = read_metadata(path)
        assert tuple(found) == METADATA_KEYS
        assert found["unetgen.sizes"] == told
        assert unetgen.load_spec(json.loads(found["unetgen.spec"])).hash == model.spec.hash == found["unetgen.hash"]


def test_every_shipped_network_can_be_told_of_more_than_one_size() -> None:
    fixed = {name for name in list_shipped_specs() if not any(next(iter_candidates(unetgen.graph_of(name), None)).dims)}
    assert fixed == set()


def test_a_compiled_package_runs_without_unetgen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What calls the kernels takes a compiler longer than they do.
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


def test_programs_of_one_size_refuse_others_in_their_runtimes_words(tmp_path: Path) -> None:
    model = network("pads")
    pt2.write(model, tmp_path / "one.pt2", input_size=(48, 52))
    with pytest.raises(AssertionError, match=r"^Guard failed: x.size\(\)\[3\] == 52$"):
        torch.export.load(tmp_path / "one.pt2").module()(torch.zeros(1, 3, 48, 56))
    onnx.write(model, tmp_path / "one.onnx", input_size=(48, 52))
    with pytest.raises(Exception, match="Got: 56 Expected: 52"):
        session(tmp_path / "one.onnx")(torch.zeros(1, 3, 48, 56))


def test_the_command_says_what_it_wrote(run_cli: RunCli, tmp_path: Path) -> None:
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
    assert done.out.endswith(" from the network at most in onnxruntime\n")
    import onnxruntime

    opened = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert [value.name for value in opened.get_inputs()] == ["image"]
    assert [value.name for value in opened.get_outputs()] == ["output_0", "output_1"]
    assert opened.get_inputs()[0].shape[1:] == [3, 16, 16]


REFUSED = {
    "no format": (["net.xyz"], "{tmp}/net.xyz: unknown format 'xyz'; formats are aoti, onnx, pt2, python, safetensors\n"),
    "no suffix": (
        ["net"],
        "{tmp}/net: no suffix tells the format; end the name in one, or add --format; "
        "formats are aoti, onnx, pt2, python, safetensors\n",
    ),
    "an option": (["net.pt2", "--opset", "18"], "{tmp}/net.pt2: --opset has no effect on format 'pt2'; leave it out\n"),
    "a size": (
        ["net.PY", "--input-size", "16"], "{tmp}/net.PY: --input-size has no effect on format 'python'; leave it out\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_told(name: str, run_cli: RunCli, tmp_path: Path) -> None:
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


def test_an_opset_to_come_is_told(tmp_path: Path) -> None:
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(network("pads"), tmp_path / "net.onnx", opset=newest + 1)
    assert str(error.value) == (
        f"{tmp_path}/net.onnx: opset {newest + 1} is not known to this onnx, the newest is {newest}; take that or an older one"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_compile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fails)
    with pytest.raises(unetgen.UnetgenError) as error:
        aoti.write(network("pads"), tmp_path / "net.pt2")
    said = "OSError: no space left"
    assert str(error.value) == f"{tmp_path}/net.pt2: aoti does not compile it: {said}; export pt2"
    assert list(tmp_path.iterdir()) == []


def test_files_without_a_spec_are_told(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "c.pt2", "w") as archive:
        archive.writestr("net/unetgen.json", "{")
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    (tmp_path / "a.pt2").write_bytes(b"nothing")
    torch.save({}, tmp_path / "b.pt2")
    sentences = {
        "none.pt2": "there is no such file; check the path",
        "a.pt2": "is none of torch's packages; export it again",
        "c.pt2": "is none of torch's packages; export it again",
        "b.pt2": "carries no spec; unetgen export writes files that do",
        "a.onnx": "is no ONNX file; export it again",
    }
    for name, sentence in sentences.items():
        with pytest.raises(unetgen.UnetgenError) as error:
            read_metadata(tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: {sentence}"


def test_missing_parts_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(network("pads"), tmp_path / "net.onnx")
    assert str(error.value) == "ONNX needs onnxruntime, which is not installed; run: pip install 'unetgen[onnx]'"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(unetgen.UnetgenError) as error:
        aoti.write(network("pads"), tmp_path / "net.pt2")
    assert str(error.value) == (
        f"{tmp_path}/net.pt2: aoti needs a C++ compiler, and none is found; install g++, or export pt2"
    )


def test_reading_onnx_needs_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(unetgen.UnetgenError) as error:
        read_metadata(tmp_path / "net.onnx")
    assert str(error.value) == "reading ONNX needs onnx, which is not installed; run: pip install 'unetgen[onnx]'"


def test_weights_beyond_protobufs_end_are_told(tmp_path: Path) -> None:
    model = unetgen.build("unet_milesial", widths=[4, 12_000], input_size=None, device="meta")
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(model, tmp_path / "net.onnx")
    assert str(error.value) == f"{tmp_path}/net.onnx: ONNX files end at 2 GB, these weights do not; export pt2"


def test_what_onnxruntime_does_not_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no such kernel\nand more of it")

    monkeypatch.setattr(onnx, "_session", fails)
    with pytest.raises(unetgen.UnetgenError) as error:
        onnx.write(network("one axis"), tmp_path / "net.onnx")
    assert str(error.value) == (
        f"{tmp_path}/net.onnx: onnxruntime does not run it as the network runs: no such kernel; export pt2"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_torch_export_cannot_take_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("a branch on data\nand where")

    monkeypatch.setattr(program, "exported", fails)
    with pytest.raises(unetgen.UnetgenError) as error:
        program.export_verified(network("one axis"), None)
    assert str(error.value) == "torch.export cannot take this network: a branch on data; export it as python"


def test_a_program_that_is_another_network_is_told() -> None:
    model = network("one axis")
    with pytest.raises(ValueError, match=r"^it is 0\.5 away from the network, of the largest output$"):
        program.compute_max_relative_error(model, lambda x: model(x) * 1.5, [(8,)])
    with pytest.raises(ValueError, match=r"^for \(8,\) it makes \(1, 5, 7\), not \(1, 5, 8\)$"):
        program.compute_max_relative_error(model, lambda x: model(x)[..., 1:], [(8,)])


def test_a_model_in_training_is_left_so(tmp_path: Path) -> None:
    model = network("pads").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    pt2.write(model, tmp_path / "net.pt2")
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
