"""nnU-Net v2: plans to specs, networks of specs in plans, and nnU-Net's own training of both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from unetgen.errors import PlansError
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.nnunet import SpecUNet
from unetgen.nnunet.checkpoint import in_order
from unetgen.nnunet.plans import read_configuration, read_plans
from unetgen.nnunet.preprocessing import convert_to_preprocessing
from unetgen.nnunet.to_spec import convert_to_spec
from unetgen.tiling.files.normalization import normalize_image

pytestmark = pytest.mark.usefixtures("single_torch_thread")

BENCH = ROOT / "tests" / "support" / "nnunet_bench.py"
NAME = "Dataset007_Discs"


def bench(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", str(BENCH), str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def architecture(kind: str, dims: int, kernels: list[Any], strides: list[Any], **more: Any) -> dict[str, Any]:
    """Return an architecture entry as nnU-Net's planners write it."""
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
ALIKE = {"kernel_sizes": 3, "features_per_stage": 8, "n_conv_per_stage": 1, "n_conv_per_stage_decoder": 2}
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
    "dropout of single values": (
        architecture("PlainConvUNet", 2, FLAT, HALVED, dropout_op="torch.nn.Dropout", dropout_op_kwargs={"p": 0.2}), [16, 16]
    ),
    "one number for all": (architecture("PlainConvUNet", 2, FLAT, [1, 1, 2, 2], **ALIKE), [16, 16]),
}  # fmt: skip


def nnunet_network(made: dict[str, Any], **more: Any) -> Any:
    """Build the network with nnU-Net's own function."""
    library = pytest.importorskip(
        "nnunetv2.utilities.get_network_from_plans", reason="the extra 'parity' is not installed"
    )
    names = made["network_class_name"], made["arch_kwargs"], made["_kw_requires_import"]
    return library.get_network_from_plans(*names, 1, 3, **more)


@pytest.mark.parametrize("name", PLANNED)
def test_the_converted_network_is_identical(name: str, tmp_path: Path) -> None:
    made, patch = PLANNED[name]
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps(plans(made, patch)))
    ours = unetgen.build(convert_to_spec(read_configuration(path, read_plans(path), "2d"), 1, 3), seed=0)
    assert ours.spec.input_size == tuple(patch)
    torch.manual_seed(0)
    reference = nnunet_network(made, deep_supervision=True)
    assert not unetgen.import_weights(ours, in_order(reference.state_dict())).missing
    size = smallest_fitting_size(ours.graph, 1)
    assert size is not None
    larger = tuple(fit.smallest_above(n) or n for fit, n in zip(ours.graph.fits, size, strict=True))
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
def test_deep_supervision_can_be_switched_without_changing_weights(name: str, tmp_path: Path) -> None:
    made, patch = PLANNED[name]
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps(plans(made, patch)))
    spec = convert_to_spec(read_configuration(path, read_plans(path), "2d"), 1, 3)
    entry = {
        "network_class_name": "unetgen.nnunet.SpecUNet",
        "arch_kwargs": {"spec": spec, "strides": made["arch_kwargs"]["strides"]},
        "_kw_requires_import": [],
    }
    trained, used = nnunet_network(entry, deep_supervision=True), nnunet_network(entry, deep_supervision=False)
    assert isinstance(trained, SpecUNet)
    used.load_state_dict(trained.state_dict())
    x = torch.randn(1, 1, *patch)
    outputs = trained(x)
    assert [tuple(y.shape[2:]) for y in outputs] == [(48, 40), (24, 20), (12, 10)]
    assert torch.equal(used(x), outputs[0])
    trained.decoder.deep_supervision = False
    assert torch.equal(trained(x), outputs[0])
    reference = nnunet_network(made, deep_supervision=True)
    estimate = reference.compute_conv_feature_map_size(patch)
    assert trained.compute_conv_feature_map_size(patch) == pytest.approx(estimate, rel=0.15)


@pytest.mark.slow
def test_nnunet_plans_and_trains_both_alike(tmp_path: Path, run_cli: RunCli) -> None:
    """Its own commands: plans by two planners, then a few steps of its network, of ours from its plans, of another."""
    pytest.importorskip("nnunetv2", reason="the extra 'parity' is not installed")
    bench(tmp_path, "plan")
    folder = tmp_path / "preprocessed" / NAME
    for planner in ("nnUNetPlans", "nnUNetResEncUNetMPlans"):
        given = [str(folder / f"{planner}.json"), "-c", "2d", "--dataset", str(folder / "dataset.json")]
        assert run_cli("from-nnunet", *given, "-o", str(tmp_path / f"{planner}.yaml")).code == 0
        graph = unetgen.graph_of(tmp_path / f"{planner}.yaml")
        assert (graph.in_channels, graph.out_channels, len(graph.output_nodes)) == (1, 2, 3)
    own = str(folder / "nnUNetPlans.json")
    done = run_cli("nnunet", own, str(tmp_path / "nnUNetPlans.yaml"), "-c", "2d", "-o", str(folder / "samePlans.json"))
    assert done.out == (
        f"{folder}/samePlans.json: written; train it with: nnUNetv2_train DATASET 2d FOLD -p samePlans\n"
    )
    results = [result(bench(tmp_path, "train", name)) for name in ("nnUNetPlans", "samePlans")]
    assert results[0] == results[1]
    assert len(set(results[0]["losses"])) == 3
    assert results[0]["shape"] == [1, 60, 52]


def result(text: str) -> Any:
    return json.loads(next(line.removeprefix("RESULT ") for line in text.splitlines() if line.startswith("RESULT ")))


def test_inserting_a_network_keeps_the_rest_of_the_plans(tmp_path: Path, run_cli: RunCli) -> None:
    made, _ = PLANNED["plain"]
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps({**plans(made, [64, 64]), "kept": 1}))
    done = run_cli(
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
    "shrinks": (["nnunet", "{p}", "unet_paper", "--set", "widths=[4, 4, 4]", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d needs outputs of the patch size 64 x 64, not 24 x 24; pad the convolutions\n"),
    "dims": (["nnunet", "{p}", "nnunet_3d", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d has 2-dimensional patches, the spec has dims: 3; set dims: 2\n"),
    "full": (["nnunet", "{p}", "unet_milesial", "--set", "head={{type: deep_supervision, resolution: full}}", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d needs each output smaller than the previous one by an integer factor, not 64 x 64; use resolution: native\n"),
    "no configuration": (["nnunet", "{p}", "unet_milesial", "-c", "3d_fullres", "-o", "{o}"], 1, "{p}: unknown configuration '3d_fullres'; available: 2d\n"),
    "no channels": (["from-nnunet", "{p}", "-c", "2d"], 2, "Usage: unetgen from-nnunet [OPTIONS] PLANS\nTry 'unetgen from-nnunet --help' for help.\n\nError: --in-channels and --out-channels required without --dataset; add --dataset dataset.json\n"),
    "no file": (["from-nnunet", "{p}x", "-c", "2d", "--dataset", "{d}"], 1, "{p}x: cannot be read: No such file or directory; check the path\n"),
    "no JSON": (["from-nnunet", "{t}", "-c", "2d", "--dataset", "{d}"], 1, "{t}: not valid JSON: Expecting value: line 1 column 1 (char 0); give a plans file written by nnU-Net\n"),
    "no dataset there": (["from-nnunet", "{p}", "-c", "2d", "--dataset", "{d}x"], 1, "{d}x: cannot be read: No such file or directory; check the path\n"),
    "dataset without channels": (["from-nnunet", "{p}", "-c", "2d", "--dataset", "{l}"], 1, "{l}: 'channel_names' or 'labels' is missing; give the dataset.json of nnU-Net\n"),
    "dataset that is no JSON": (["from-nnunet", "{p}", "-c", "2d", "--dataset", "{t}"], 1, "{t}: 'channel_names' or 'labels' is missing; give the dataset.json of nnU-Net\n"),
    "a place that takes no spec": (["from-nnunet", "{p}", "-c", "2d", "--dataset", "{d}", "-o", "{w}"], 1, "{w}: cannot be written: File name too long; choose another path\n"),
    "a place that takes no plans": (["nnunet", "{p}", "unet_milesial", "-c", "2d", "-o", "{w}"], 1, "{w}: cannot be written: File name too long; choose another path\n"),
    "no name for plans": (["nnunet", "{p}", "unet_milesial", "-c", "2d", "-o", "{t}"], 2, "Usage: unetgen nnunet [OPTIONS] PLANS SPEC\nTry 'unetgen nnunet --help' for help.\n\nError: text.txt must end in .json for nnU-Net; use -o text.json\n"),
    "two heads": (["nnunet", "{p}", "unet_milesial", "--set", "heads={{a: {{type: conv}}, b: {{type: conv}}}}", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d needs exactly one head, the spec has 2; keep one\n"),
    "a head with a name": (["nnunet", "{p}", "unet_milesial", "--set", "heads={{mask: {{type: deep_supervision}}}}", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d needs an unnamed head, the spec has 'mask'; use head: instead of heads:\n"),
    "classes of its own": (["nnunet", "{p}", "unet_milesial", "--set", "head={{type: conv, out_channels: 7}}", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d sets the number of classes, the head has out_channels: 7; delete it\n"),
    "no logits": (["nnunet", "{p}", "unet_milesial", "--set", "head={{type: deep_supervision, activation: softmax}}", "-c", "2d", "-o", "{o}"], 1, "{p}: 2d needs logits, the head has an activation; use activation: none\n"),
    "no plans": (["from-nnunet", "{d}", "-c", "2d", "--dataset", "{d}"], 1, "{d}: 'configurations' is missing; give a plans file written by nnU-Net\n"),
    "no dataset": (["from-nnunet", "{p}", "-c", "2d", "--dataset", "{p}"], 1, "{p}: 'channel_names' or 'labels' is missing; give the dataset.json of nnU-Net\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_command_errors(name: str, tmp_path: Path, run_cli: RunCli) -> None:
    given, code, sentence = REFUSED[name]
    names = {"p": "nnUNetPlans.json", "o": "mine.json", "d": "dataset.json", "l": "labels.json", "t": "text.txt"}
    places = {key: str(tmp_path / file) for key, file in {**names, "w": f"{'w' * 300}.json"}.items()}
    Path(places["p"]).write_text(json.dumps(plans(PLANNED["plain"][0], [64, 64])))
    Path(places["d"]).write_text(json.dumps({"channel_names": {"0": "a"}, "labels": {"background": 0, "a": 1}}))
    Path(places["l"]).write_text(json.dumps({"labels": {"background": 0, "a": 1}}))
    Path(places["t"]).write_text("text")
    done = run_cli(*(argument.format(**places) for argument in given))
    lines = [line for line in done.err.splitlines(keepends=True) if not line.startswith("note: ")]
    assert done.code == code
    assert "".join(lines) == sentence.format(**places)
    assert not Path(places["o"]).exists()


CT = {"mean": 99.4, "std": 39.4, "percentile_00_5": -29.0, "percentile_99_5": 324.0}


def write_plans(path: Path, schemes: list[str], **changes: Any) -> Path:
    """Write a plans file that normalizes images of as many channels as schemes."""
    content = plans(PLANNED["plain"][0], [64, 64])
    content |= {"foreground_intensity_properties_per_channel": {str(i): CT for i in range(len(schemes))}}
    content["configurations"]["2d"] |= {"normalization_schemes": schemes, "spacing": [1.0, 0.5]}
    for key, value in changes.items():
        (content["configurations"]["2d"] if key == "use_mask_for_norm" else content)[key] = value
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("scheme", "normalization"),
    [
        ("CTNormalization", "mean 99.4, standard deviation 39.4, clipped to -29, 324"),
        ("ZScoreNormalization", "zscore"),
        ("NoNormalization", "none"),
        ("RGBTo01Normalization", "unit"),
    ],
)
def test_preprocessing_goes_from_plans_to_predictions(
    scheme: str, normalization: str, tmp_path: Path, run_cli: RunCli
) -> None:
    path = write_plans(tmp_path / "plans.json", [scheme])
    dataset = tmp_path / "dataset.json"
    dataset.write_text(json.dumps({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "ignore": 2}}))
    spec, expected, weights = (tmp_path / name for name in ("my.yaml", "my.json", "ours.safetensors"))
    convert = ["from-nnunet", str(path), "-c", "2d", "--dataset", str(dataset), "-o", str(spec)]
    assert run_cli(*convert).err == (
        f"note: {path}: the plans also say how images are normalized; "
        "write that with --preprocessing, for import-weights\n"
    )
    assert run_cli(*convert, "--preprocessing", str(expected)).err == ""
    torch.save(unetgen.build(spec, seed=0).state_dict(), tmp_path / "theirs.pth")
    convert = ["import-weights", str(spec), str(tmp_path / "theirs.pth"), "--preprocessing", str(expected)]
    assert run_cli(*convert, "--out", str(weights)).code == 0
    assert run_cli(*convert).err.endswith(
        "Error: --preprocessing is stored in the file of --out, without --invert; add --out\n"
    )
    lines = dict(unetgen.load(weights).preprocessing.format_lines())
    assert lines == {
        "normalization": normalization, "axes": "z, y, x", "channels": "CT", "spacing": "1 x 0.5 mm",
        "classes": "background, liver",
    }  # fmt: skip


@pytest.mark.parametrize(
    "scheme", ["CTNormalization", "ZScoreNormalization", "NoNormalization", "RGBTo01Normalization"]
)
def test_normalization_equals_nnunets(scheme: str, tmp_path: Path) -> None:
    schemes = pytest.importorskip(
        "nnunetv2.preprocessing.normalization.default_normalization_schemes",
        reason="the extra 'parity' is not installed",
    )
    path = write_plans(tmp_path / "plans.json", [scheme])
    expected = convert_to_preprocessing(path, read_plans(path), "2d")
    image = np.random.default_rng(0).integers(0, 256, (1, 20, 30)).astype("uint8")
    theirs = getattr(schemes, scheme)(use_mask_for_norm=False, intensityproperties=CT).run(image[0].astype("float32"))
    ours = np.asarray(normalize_image(image, expected.normalization)[:, 0:20, 0:30], "float32")
    assert np.allclose(ours[0], theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("schemes", "changes", "sentence"),
    [
        (["CTNormalization", "ZScoreNormalization"], {}, (
            "{p}: configuration '2d' normalizes by CTNormalization, ZScoreNormalization, but unetgen predict knows one of "
            "CTNormalization, ZScoreNormalization, NoNormalization, RGBTo01Normalization for all channels; "
            "normalize the images yourself"
        )),
        (["RescaleTo01Normalization"], {}, (
            "{p}: configuration '2d' normalizes by RescaleTo01Normalization, but unetgen predict knows one of "
            "CTNormalization, ZScoreNormalization, NoNormalization, RGBTo01Normalization for all channels; "
            "normalize the images yourself"
        )),
        (["ZScoreNormalization"], {"use_mask_for_norm": [True]}, (
            "{p}: configuration '2d' normalizes within a mask of the nonzero pixels ('use_mask_for_norm'), "
            "which unetgen predict does not; normalize the images yourself"
        )),
        (["ZScoreNormalization"], {"transpose_forward": [2, 0, 1]}, (
            "{p}: 'transpose_forward' transposes axes by [2, 0, 1], which unetgen predict does not; "
            "transpose the images yourself"
        )),
        (["CTNormalization"], {"foreground_intensity_properties_per_channel": {}}, (
            "{p}: foreground_intensity_properties_per_channel: no intensities of channel 0 for CTNormalization; "
            "plan it again with nnU-Net"
        )),
        (["CTNormalization"] * 2, {
            "foreground_intensity_properties_per_channel": {"0": CT, "1": {**CT, "percentile_99_5": 5.0}}
        }, (
            "{p}: foreground_intensity_properties_per_channel: channels are clipped to different ranges, but unetgen "
            "predict knows one range for all; normalize the images yourself"
        )),
    ],
)  # fmt: skip
def test_preprocessing_that_cannot_be_repeated(
    schemes: list[str], changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = write_plans(tmp_path / "plans.json", schemes, **changes)
    with pytest.raises(PlansError) as error_info:
        convert_to_preprocessing(path, read_plans(path), "2d")
    assert str(error_info.value) == sentence.format(p=path)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "network": ({"network_class_name": "a.b.PrimusM"}, "2d has the unsupported network class 'PrimusM'; supported classes: PlainConvUNet, ResidualEncoderUNet"),
    "norm": ({"norm_op": "torch.nn.GroupNorm"}, "2d has the unsupported norm 'GroupNorm'; supported: InstanceNorm2d, BatchNorm2d"),
    "norm of volumes": ({"norm_op": "torch.nn.InstanceNorm3d"}, "2d has the unsupported norm 'InstanceNorm3d'; supported: InstanceNorm2d, BatchNorm2d"),
    "dropout": ({"dropout_op": "torch.nn.AlphaDropout"}, "2d has the unsupported dropout 'AlphaDropout'; supported: Dropout, Dropout2d"),
    "option of a norm": ({"norm_op_kwargs": {"epsilon": 1}}, "2d: block.norm.epsilon: unknown option of norm 'instance'; did you mean 'eps'?"),
    "activation": ({"nonlin": "torch.nn.Softsign"}, "2d has the unsupported activation 'Softsign'; supported: LeakyReLU, ReLU, GELU, ELU, SiLU, Mish"),
    "argument": ({"squeeze_excitation": True}, "2d has squeeze_excitation=True, which specs do not support; plan without it"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_unsupported_plans_are_errors(name: str, tmp_path: Path) -> None:
    change, sentence = CHANGES[name]
    made = architecture("PlainConvUNet", 2, FLAT, HALVED)
    made |= {k: v for k, v in change.items() if k == "network_class_name"}
    made["arch_kwargs"] |= {k: v for k, v in change.items() if k != "network_class_name"}
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps(plans(made, [64, 64])))
    with pytest.raises(unetgen.UnetgenError) as error:
        convert_to_spec(read_configuration(path, read_plans(path), "2d"), 1, 2)
    assert str(error.value) == f"{path}: {sentence}"


AT = "configurations.2d.architecture.arch_kwargs"
MISSING = (
    "n_stages",
    "features_per_stage",
    "conv_op",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_conv_per_stage_decoder",
)
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    **{f"no {key}": ({key: ...}, f"{AT}: '{key}' is missing; add '{key}: ...'") for key in MISSING},
    "a number in quotes": ({"n_stages": "4"}, f"{AT}.n_stages: '4' is not a whole number; write the number without quotes"),
    "one stage": ({"n_stages": 1}, f"{AT}.n_stages: 1 must be at least 2"),
    "text for widths": ({"features_per_stage": "wide"}, f"{AT}.features_per_stage: 'wide' is not a whole number"),
    "few strides": ({"strides": [[1, 1], [2, 2]]}, f"{AT}.strides: expected 4 values, one per stage, not 2; give one value per stage"),
    "few kernels": ({"kernel_sizes": [[3, 3]]}, f"{AT}.kernel_sizes: expected 4 values, one per stage, not 1; give one value per stage"),
    "few widths": ({"features_per_stage": [8, 16]}, f"{AT}.features_per_stage: expected 4 values, one per stage, not 2; give one value per stage"),
    "few blocks": ({"n_conv_per_stage": [2] * 3}, f"{AT}.n_conv_per_stage: expected 4 values, one per stage, not 3; give one value per stage"),
    "as many on the way up": (
        {"n_conv_per_stage_decoder": [2] * 4},
        f"{AT}.n_conv_per_stage_decoder: expected 3 values, one per decoder stage, not 4; give one value per decoder stage",
    ),
    "strided first": (
        {"strides": [[2, 2]] * 4},
        f"{AT}.strides[0]: a first stride of [2, 2] makes outputs smaller than patches, which specs do not support; use [1, 1]",
    ),
    "even kernel": (
        {"kernel_sizes": [[3, 3], [3, 4], [3, 3], [3, 3]]},
        f"{AT}.kernel_sizes[1]: [3, 4] is even, which nnU-Net's own networks do not support; use odd kernel sizes",
    ),
    "volumes": (
        {"conv_op": "torch.nn.modules.conv.Conv3d"},
        f"{AT}.conv_op: 'Conv3d' does not match 2-dimensional patches; use torch.nn.modules.conv.Conv2d",
    ),
    "an axis more": (
        {"kernel_sizes": [[3, 3], [3, 3], [3, 3, 3], [3, 3]]},
        f"{AT}.kernel_sizes[2]: expected 2 values, one per spatial axis, not 3; give one value per axis",
    ),
}  # fmt: skip


def apply_changes(values: dict[str, Any], changes: dict[str, Any]) -> None:
    """Overwrite values; ``...`` deletes one."""
    values |= {key: value for key, value in changes.items() if value is not ...}
    for key in [key for key, value in changes.items() if value is ...]:
        del values[key]


def plans_error(path: Path, written: dict[str, Any]) -> str:
    """Return the message for plans that cannot be converted."""
    path.write_text(json.dumps(written))
    with pytest.raises(PlansError) as error:
        convert_to_spec(read_configuration(path, read_plans(path), "2d"), 1, 2)
    return str(error.value)


@pytest.mark.parametrize("name", WRONG)
def test_invalid_arguments_are_reported_with_their_position(name: str, tmp_path: Path) -> None:
    changes, sentence = WRONG[name]
    made = architecture("PlainConvUNet", 2, FLAT, HALVED)
    apply_changes(made["arch_kwargs"], changes)
    assert plans_error(tmp_path / "plans.json", plans(made, [64, 64])) == f"{tmp_path}/plans.json: {sentence}"


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    made = architecture("PlainConvUNet", 2, FLAT, HALVED, conv_op="torch.nn.Conv1d", features_per_stage=[8])
    assert plans_error(tmp_path / "plans.json", plans(made, [64, 64])).splitlines() == [
        f"{tmp_path}/plans.json: {AT}.features_per_stage: expected 4 values, one per stage, not 1; give one value per stage",
        f"{tmp_path}/plans.json: {AT}.conv_op: 'Conv1d' does not match 2-dimensional patches; use torch.nn.modules.conv.Conv2d",
    ]


ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "no patch": ({"2d": {"patch_size": ...}}, "2d: 'patch_size' is missing; add 'patch_size: ...'"),
    "no arguments": (
        {"2d": {"architecture": {"network_class_name": "PlainConvUNet", "arch_kwargs": None}}},
        "2d.architecture.arch_kwargs: null is not a mapping",
    ),
    "nothing": ({"2d": None}, "2d: must be a mapping; give a plans file written by nnU-Net"),
    "inherits nothing": ({"2d": {"inherits_from": "3d"}}, "2d.inherits_from: unknown configuration '3d'; available: 2d"),
    "inherits itself": (
        {"2d": {"inherits_from": "2d"}},
        "2d.inherits_from: circular inheritance: 2d inherits from 2d; delete it, or name another",
    ),
    "inherits round and round": (
        {"2d": {"inherits_from": "b"}, "b": {"inherits_from": "2d"}},
        "b.inherits_from: circular inheritance: 2d inherits from b inherits from 2d; delete it, or name another",
    ),
    "inherits what is wrong": (
        {"2d": {"inherits_from": "b", "patch_size": ...}, "b": {"patch_size": [64, 0]}},
        "b.patch_size[1]: 0 must be greater than 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_invalid_configurations_are_reported_with_their_position(name: str, tmp_path: Path) -> None:
    changes, sentence = ENTRIES[name]
    written = plans(architecture("PlainConvUNet", 2, FLAT, HALVED), [64, 64])
    for entry, values in changes.items():
        if values is None:
            written["configurations"][entry] = None
        else:
            apply_changes(written["configurations"].setdefault(entry, {}), values)
    assert plans_error(tmp_path / "plans.json", written) == f"{tmp_path}/plans.json: configurations.{sentence}"


def test_plans_without_patch_size_are_an_error(tmp_path: Path, run_cli: RunCli) -> None:
    written = plans(architecture("PlainConvUNet", 2, FLAT, HALVED), [64, 64])
    del written["configurations"]["2d"]["patch_size"]
    path = tmp_path / "plans.json"
    path.write_text(json.dumps(written))
    done = run_cli("nnunet", str(path), "unet_tutorial", "-c", "2d", "-o", str(tmp_path / "mine.json"))
    assert done.code == 1
    assert done.err == f"{path}: configurations.2d: 'patch_size' is missing; add 'patch_size: ...'\n"


def test_the_network_itself_rejects_the_same_heads() -> None:
    spec = {**unetgen.load_spec("unet_milesial", widths=[4, 4], input_size=None).resolved()}
    spec["heads"] = {"mask": spec.pop("head")}
    with pytest.raises(PlansError) as error:
        SpecUNet(1, 3, spec)
    assert str(error.value) == "nnU-Net needs an unnamed head, the spec has 'mask'; use head: instead of heads:"


def test_older_plans_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "nnUNetPlans.json"
    path.write_text(json.dumps({"configurations": {"2d": {"UNet_class_name": "PlainConvUNet"}}}))
    with pytest.raises(unetgen.UnetgenError) as error:
        read_configuration(path, read_plans(path), "2d")
    assert str(error.value) == (
        f"{path}: configuration '2d' has no 'architecture' with 'network_class_name' and 'arch_kwargs'; "
        "plan it again with nnU-Net 2.5 or later"
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
