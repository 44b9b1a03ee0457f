"""nnU-Net v2: its plans as specs, our networks in its plans, and its own training of both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, Outcome

import unetgen
from unetgen.graph.size import smallest_fitting
from unetgen.nnunet import SpecUNet
from unetgen.nnunet.checkpoint import in_order
from unetgen.nnunet.plans import configuration, read
from unetgen.nnunet.to_spec import spec_of

pytestmark = pytest.mark.usefixtures("one_thread")

BENCH = ROOT / "tests" / "nnunet_bench.py"
NAME = "Dataset007_Discs"


def bench(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", str(BENCH), str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def architecture(kind: str, dims: int, kernels: list[Any], strides: list[Any], **more: Any) -> dict[str, Any]:
    """What nnU-Net's planners write."""
    stages = len(kernels)
    counts = (
        {"n_conv_per_stage": [2] * stages} if kind == "PlainConvUNet" else {"n_blocks_per_stage": [1, 3, 4, 6][:stages]}
    )
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{kind}",
        "arch_kwargs": {
            "n_stages": stages, "features_per_stage": [8, 16, 24, 24][:stages],
            "conv_op": f"torch.nn.modules.conv.Conv{dims}d", "kernel_sizes": kernels, "strides": strides, **counts,
            "n_conv_per_stage_decoder": [2 if kind == "PlainConvUNet" else 1] * (stages - 1), "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d", "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True}, **more,
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }  # fmt: skip


def plans(made: dict[str, Any], patch: list[int]) -> dict[str, Any]:
    return {"plans_name": "nnUNetPlans", "configurations": {"2d": {"patch_size": patch, "architecture": made}}}


FLAT, DEEP = [[3, 3]] * 4, [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
HALVED, SLICED = [[1, 1], [2, 2], [2, 2], [2, 2]], [[1, 1, 1], [1, 2, 2], [2, 2, 2]]
PLANNED: dict[str, tuple[dict[str, Any], list[int]]] = {
    "plain": (architecture("PlainConvUNet", 2, FLAT, HALVED), [48, 40]),
    "plain, anisotropic": (architecture("PlainConvUNet", 3, DEEP, SLICED), [6, 24, 20]),
    "residual": (architecture("ResidualEncoderUNet", 2, FLAT, HALVED), [48, 40]),
    "residual, anisotropic": (architecture("ResidualEncoderUNet", 3, DEEP, SLICED), [6, 24, 20]),
    "batch norm, no bias": (
        architecture(
            "PlainConvUNet", 2, FLAT, HALVED, conv_bias=False, norm_op="torch.nn.BatchNorm2d", norm_op_kwargs={},
            nonlin="torch.nn.ReLU", n_conv_per_stage=[1, 2, 2, 3],
        ),
        [48, 40],
    ),
    "dropout": (
        architecture("PlainConvUNet", 2, FLAT, HALVED, dropout_op="torch.nn.Dropout2d", dropout_op_kwargs={"p": 0.2}), [16, 16]
    ),
}  # fmt: skip


def theirs(made: dict[str, Any], **more: Any) -> Any:
    """nnU-Net's own way to a network."""
    library = pytest.importorskip(
        "nnunetv2.utilities.get_network_from_plans", reason="the extra 'parity' is not installed"
    )
    names = made["network_class_name"], made["arch_kwargs"], made["_kw_requires_import"]
    return library.get_network_from_plans(*names, 1, 3, **more)


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_is_the_identical_network(name: str, tmp_path: Path) -> None:
    made, patch = PLANNED[name]
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps(plans(made, patch)))
    ours = unetgen.build(spec_of(configuration(path, read(path), "2d"), 1, 3), seed=0)
    assert ours.spec.input_size == tuple(patch)
    torch.manual_seed(0)
    reference = theirs(made, deep_supervision=True)
    assert not unetgen.import_weights(ours, in_order(reference.state_dict())).missing
    size = smallest_fitting(ours.graph, 1)
    assert size is not None
    larger = tuple(fit.above(n) or n for fit, n in zip(ours.graph.fits, size, strict=True))
    for training in (True, False):
        ours.train(training)
        reference.train(training)
        for extent in (larger, tuple(patch)):
            x = torch.randn(2, 1, *extent)
            torch.manual_seed(1)
            expected = reference(x)
            torch.manual_seed(1)
            found = ours(x)
            assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("name", ["plain", "residual"])
def test_under_nnunets_names_supervision_is_switched_and_weights_stay(name: str, tmp_path: Path) -> None:
    made, patch = PLANNED[name]
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps(plans(made, patch)))
    spec = spec_of(configuration(path, read(path), "2d"), 1, 3)
    entry = {
        "network_class_name": "unetgen.nnunet.SpecUNet",
        "arch_kwargs": {"spec": spec, "strides": made["arch_kwargs"]["strides"]},
        "_kw_requires_import": [],
    }
    trained, used = theirs(entry, deep_supervision=True), theirs(entry, deep_supervision=False)
    assert isinstance(trained, SpecUNet)
    used.load_state_dict(trained.state_dict())
    x = torch.randn(1, 1, *patch)
    outputs = trained(x)
    assert [tuple(y.shape[2:]) for y in outputs] == [(48, 40), (24, 20), (12, 10)]
    assert torch.equal(used(x), outputs[0])
    trained.decoder.deep_supervision = False
    assert torch.equal(trained(x), outputs[0])
    reference = theirs(made, deep_supervision=True)
    estimate = reference.compute_conv_feature_map_size(patch)
    assert trained.compute_conv_feature_map_size(patch) == pytest.approx(estimate, rel=0.15)


def test_nnunet_plans_and_trains_both_alike(tmp_path: Path, run: Callable[..., Outcome]) -> None:
    """Its own commands: plans by two planners, then a few steps of its network, of ours from its plans, of another."""
    pytest.importorskip("nnunetv2", reason="the extra 'parity' is not installed")
    bench(tmp_path, "plan")
    folder = tmp_path / "preprocessed" / NAME
    for planner in ("nnUNetPlans", "nnUNetResEncUNetMPlans"):
        given = [str(folder / f"{planner}.json"), "-c", "2d", "--dataset", str(folder / "dataset.json")]
        assert run("from-nnunet", *given, "-o", str(tmp_path / f"{planner}.yaml")).code == 0
        graph = unetgen.graph_of(tmp_path / f"{planner}.yaml")
        assert (graph.in_channels, graph.out_channels, len(graph.results)) == (1, 2, 3)
    own = str(folder / "nnUNetPlans.json")
    done = run("nnunet", own, str(tmp_path / "nnUNetPlans.yaml"), "-c", "2d", "-o", str(folder / "samePlans.json"))
    assert done.out == (
        f"{folder}/samePlans.json: written; train it with: nnUNetv2_train DATASET 2d FOLD -p samePlans\n"
    )
    results = [result(bench(tmp_path, "train", name)) for name in ("nnUNetPlans", "samePlans")]
    assert results[0] == results[1]
    assert len(set(results[0]["losses"])) == 3
    assert results[0]["shape"] == [1, 60, 52]


def result(text: str) -> Any:
    return json.loads(next(line.removeprefix("RESULT ") for line in text.splitlines() if line.startswith("RESULT ")))


def test_what_is_written_is_the_plan_with_another_network(tmp_path: Path, run: Callable[..., Outcome]) -> None:
    made, _ = PLANNED["plain"]
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps({**plans(made, [64, 64]), "kept": 1}))
    done = run(
        "nnunet",
        str(path),
        "attention_unet",
        "-c",
        "2d",
        "-o",
        str(tmp_path / "mine.json"),
        "--set",
        "head=deep_supervision",
    )
    assert done.code == 0
    written = json.loads((tmp_path / "mine.json").read_text())
    assert written["plans_name"] == "mine"
    assert written["kept"] == 1
    entry = written["configurations"]["2d"]["architecture"]
    assert entry["network_class_name"] == "unetgen.nnunet.SpecUNet"
    assert entry["arch_kwargs"]["strides"] == [[1, 1], [2, 2], [2, 2], [2, 2], [2, 2]]
    assert "in_channels" not in entry["arch_kwargs"]["spec"]
    model = SpecUNet(2, 5, **entry["arch_kwargs"])
    assert [tuple(y.shape) for y in model(torch.zeros(1, 2, 64, 64))] == [
        (1, 5, 64, 64),
        (1, 5, 32, 32),
        (1, 5, 16, 16),
        (1, 5, 8, 8),
    ]


REFUSED = {
    "valid": (["nnunet", "{p}", "unet_paper", "-c", "2d", "-o", "{o}"], 1, "input_size: 64 on axis H gives 9 at level 2, which max_pool cannot halve; the smallest that fits is 188 (output 4)\ninput_size: 64 on axis W gives 9 at level 2, which max_pool cannot halve; the smallest that fits is 188 (output 4)\n"),
    "shrinks": (["nnunet", "{p}", "unet_paper", "--set", "widths=[4, 4, 4]", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d wants outputs as large as its patches, 64 x 64, not 24 x 24; pad the convolutions\n"),
    "dims": (["nnunet", "{p}", "nnunet_3d", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d has patches of 2 axes, the spec has dims 3; set dims\n"),
    "full": (["nnunet", "{p}", "unet_milesial", "--set", "head={{type: deep_supervision, resolution: full}}", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d wants outputs that each are smaller by whole numbers, not 64 x 64; use resolution: native\n"),
    "no configuration": (["nnunet", "{p}", "unet_milesial", "-c", "3d_fullres", "-o", "{o}"], 1, "{p}: there is no configuration '3d_fullres'; there are 2d\n"),
    "no channels": (["from-nnunet", "{p}", "-c", "2d"], 2, "Usage: unetgen from-nnunet [OPTIONS] PLANS\nTry 'unetgen from-nnunet --help' for help.\n\nError: plans do not say --in-channels and --out-channels; give them, or --dataset dataset.json\n"),
    "no file": (["from-nnunet", "{p}x", "-c", "2d"], 2, "Error: plans do not say"),
    "no plans": (["from-nnunet", "{d}", "-c", "2d", "--dataset", "{d}"], 1, "{d}: has no 'configurations'; give the plans file that nnU-Net wrote\n"),
    "no dataset": (["from-nnunet", "{p}", "-c", "2d", "--dataset", "{p}"], 1, "{p}: is no dataset.json of nnU-Net; it has 'channel_names' and 'labels'\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_told(name: str, tmp_path: Path, run: Callable[..., Outcome]) -> None:
    given, code, sentence = REFUSED[name]
    places = {
        "p": str(tmp_path / "nnUNetPlans.json"),
        "o": str(tmp_path / "mine.json"),
        "d": str(tmp_path / "dataset.json"),
    }
    Path(places["p"]).write_text(json.dumps(plans(PLANNED["plain"][0], [64, 64])))
    Path(places["d"]).write_text(json.dumps({"channel_names": {"0": "a"}, "labels": {"background": 0, "a": 1}}))
    done = run(*(argument.format(**places) for argument in given))
    lines = [line for line in done.err.splitlines(keepends=True) if not line.startswith("note: ")]
    assert done.code == code
    assert sentence.format(**places) in "".join(lines)
    assert not Path(places["o"]).exists()


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "network": ({"network_class_name": "a.b.PrimusM"}, "2d has a network 'PrimusM'; those that can be read are PlainConvUNet, ResidualEncoderUNet"),
    "norm": ({"norm_op": "torch.nn.GroupNorm"}, "2d has the norm 'GroupNorm'; specs can say InstanceNorm, BatchNorm"),
    "activation": ({"nonlin": "torch.nn.Softsign"}, "2d has the activation 'Softsign'; specs can say LeakyReLU, ReLU, GELU, ELU, SiLU, Mish"),
    "argument": ({"squeeze_excitation": True}, "2d has squeeze_excitation=True, which no spec can say; plan without it"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_plans_that_no_spec_can_say_are_told(name: str, tmp_path: Path) -> None:
    change, sentence = CHANGES[name]
    made = architecture("PlainConvUNet", 2, FLAT, HALVED)
    made |= {k: v for k, v in change.items() if k == "network_class_name"}
    made["arch_kwargs"] |= {k: v for k, v in change.items() if k != "network_class_name"}
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps(plans(made, [64, 64])))
    with pytest.raises(unetgen.UnetgenError) as error:
        spec_of(configuration(path, read(path), "2d"), 1, 2)
    assert str(error.value) == f"{path}: {sentence}"


def test_older_plans_are_told(tmp_path: Path) -> None:
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps({"configurations": {"2d": {"UNet_class_name": "PlainConvUNet"}}}))
    with pytest.raises(unetgen.UnetgenError) as error:
        configuration(path, read(path), "2d")
    assert str(error.value) == (
        f"{path}: configuration '2d' has no 'architecture' with a class and its arguments, as nnU-Net writes since 2.5; "
        "plan it again with a newer nnU-Net"
    )


def test_reading_and_writing_plans_needs_neither_torch_nor_nnunet(tmp_path: Path) -> None:
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps(plans(PLANNED["plain"][0], [64, 64])))
    code = (
        "import sys; sys.modules['torch'] = sys.modules['nnunetv2'] = None\n"
        "from unetgen.cli.main import main\n"
        f"sys.argv = ['unetgen', 'from-nnunet', {str(path)!r}, '-c', '2d', '--in-channels', '1', '--out-channels', '2']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert unetgen.load_spec(done.stdout).dims == 2
