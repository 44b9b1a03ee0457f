"""Preprocessing: what a network was trained on is what it predicts on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

import unetgen
from support.command_line import RunCli
from unetgen.errors import ImageError, WeightsError
from unetgen.outputs.exports.metadata import read_metadata
from unetgen.outputs.formats import export
from unetgen.preprocessing import PREPROCESSING_KEY, Preprocessing, Standardization
from unetgen.tiling import predict
from unetgen.tiling.files.class_values import ClassValueArray
from unetgen.tiling.files.formats import open_output, read_image
from unetgen.tiling.files.normalization import normalize_image

pytestmark = pytest.mark.usefixtures("single_torch_thread")


def build_network(dims: int = 2, channels: int = 1) -> Any:
    spec = {"extends": "unet_milesial", "dims": dims, "in_channels": channels, "out_channels": 2, "widths": [2, 4]}
    return unetgen.build(spec, seed=0, input_size=[16] * dims)


def write_array(path: Path, values: Any) -> None:
    """Write an image or mask (*size) in the format of the suffix."""
    match "".join(path.suffixes):
        case ".npy":
            np.save(path, values)
        case ".tif":
            tifffile.imwrite(path, values)
        case ".nii.gz":
            nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 3.0, 4.0, 1.0])), path)
        case _:
            Image.fromarray(values).save(path)


@pytest.mark.parametrize(
    ("suffix", "dtype", "dims"),
    [
        (".png", "uint8", 2),
        (".tif", "uint16", 2),
        (".tif", "float32", 3),
        (".npy", "int16", 2),
        (".npy", "float64", 3),
        (".nii.gz", "int16", 3),
        (".nii.gz", "float32", 3),
    ],
)
def test_a_trial_predicts_as_it_scored(suffix: str, dtype: str, dims: int, tmp_path: Path, run_cli: RunCli) -> None:
    rng = np.random.default_rng(0)
    size = (20, 24, 16)[:dims]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(3):
        mask = np.zeros(size, "uint8")
        mask[(slice(4, 14), slice(2 + number, 12), slice(3, 11))[:dims]] = 255
        image = (60 + 100 * (mask > 0) + rng.normal(0, 9, size)).astype(dtype)
        write_array(tmp_path / "images" / f"{number}{suffix}", image)
        write_array(tmp_path / "masks" / f"{number}{suffix}", mask)
    base = f"{{extends: unet_milesial, dims: {dims}, in_channels: 1, out_channels: 2, widths: [4, 8], input_size: {[16] * dims}}}"
    (tmp_path / "sweep.yaml").write_text(f"base: {base}\naxes: {{skip.fusion: [add]}}\n")
    data = {name: str(tmp_path / name) for name in ("images", "masks")}
    table = unetgen.run(
        tmp_path / "sweep.yaml", "unetgen.trials:segmentation", out=tmp_path / "out", workers=0,
        options={**data, "steps": 30, "batch": 2, "patch": 16, "learning_rate": 0.03, "augment": "none"},
    )  # fmt: skip
    [weights] = (tmp_path / "out" / "trials").glob("*/seed-0/model.safetensors")
    scored = table.metrics["dice"][weights.parents[1].name][0]
    result = tmp_path / "result"
    outcome = run_cli("predict", str(weights), str(tmp_path / "images" / f"2{suffix}"), "-o", str(result))
    assert (outcome.code, outcome.err) == (0, "")
    labels = np.asarray(read_image(result / f"2{suffix}", dims).array[(slice(None),) * (dims + 1)])[0]
    assert set(np.unique(labels)) == {0, 255}  # the values of the masks
    found = labels > 0
    truth = mask > 0
    dices = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in ((found, truth), (~found, ~truth))]
    assert scored == pytest.approx(np.mean(dices), abs=1e-6)


FULL = {
    "normalization": {"mean": [10.0], "std": [2.0], "clip": [0.0, 50.0]},
    "axes": "zyx",
    "channels": ["CT"],
    "spacing": [3.0, 1.0, 1.0],
    "class_values": [0, 255],
    "class_names": ["background", "liver"],
}


def test_it_is_saved_beside_the_spec_and_shown(tmp_path: Path, run_cli: RunCli) -> None:
    path = tmp_path / "net.safetensors"
    model = build_network(3)
    unetgen.save(model, path, preprocessing=FULL)
    loaded = unetgen.load(path)
    assert loaded.preprocessing == Preprocessing.model_validate(FULL)
    assert loaded.spec.hash == model.spec.hash
    unetgen.save(loaded, tmp_path / "again.safetensors")  # handed on without being named again
    assert unetgen.load(tmp_path / "again.safetensors").preprocessing == loaded.preprocessing
    shown = run_cli("inspect", str(path)).out
    lines = [
        "normalization    mean 10, standard deviation 2, clipped to 0, 50",
        "axes             z, y, x",
        "channels         CT",
        "spacing          3 x 1 x 1 mm",
        "classes          background (mask value 0), liver (mask value 255)",
    ]
    assert shown.splitlines()[-len(lines) :] == lines
    assert json.loads(run_cli("inspect", str(path), "--format", "json").out)["preprocessing"]["axes"] == "zyx"
    unetgen.save(model, path)
    assert unetgen.load(path).preprocessing is None
    assert "normalization" not in run_cli("inspect", str(path)).out


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_exported_programs_carry_it(suffix: str, tmp_path: Path) -> None:
    model = build_network()
    model.preprocessing = Preprocessing(normalization="zscore", class_names=("a", "b"))
    path = tmp_path / f"net{suffix}"
    export(model, path, suffix[1:], unetgen.load_registry())
    assert Preprocessing.parse(read_metadata(path)[PREPROCESSING_KEY], "net") == model.preprocessing


@pytest.mark.parametrize("normalization", ["unit", "zscore", "none", FULL["normalization"]])
def test_predict_normalizes_as_the_file_says(normalization: Any, tmp_path: Path, run_cli: RunCli) -> None:
    model = build_network()
    unetgen.save(model, tmp_path / "net.safetensors", preprocessing={"normalization": normalization})
    image = np.random.default_rng(0).integers(0, 90, (1, 24, 20)).astype("uint8")
    np.save(tmp_path / "image.npy", image)
    command = ["predict", str(tmp_path / "net.safetensors"), str(tmp_path / "image.npy"), "-o", str(tmp_path / "out")]
    assert run_cli(*command, "--keep", "outputs").code == 0
    values = image.astype("float32")
    prepared = {
        "unit": values / 255,
        "zscore": (values - values.mean()) / values.std(),
        "none": values,
    }
    expected = prepared[normalization] if isinstance(normalization, str) else (np.clip(values, 0, 50) - 10) / 2
    assert np.allclose(np.load(tmp_path / "out" / "image.npy"), predict(model, expected), atol=1e-5)


def test_options_that_contradict_the_file_are_refused(tmp_path: Path, run_cli: RunCli) -> None:
    path, image = tmp_path / "net.safetensors", tmp_path / "image.npy"
    unetgen.save(build_network(), path, preprocessing={"normalization": "zscore", "axes": "zyx"})
    np.save(image, np.zeros((1, 16, 16), "uint8"))
    command = ["predict", str(path), str(image), "-o", str(tmp_path / "out")]
    messages = {
        ("--normalize", "unit"): (
            f"--normalize unit contradicts {path}, whose normalization is zscore; remove --normalize"
        ),
        ("--axes", "xyz"): f"--axes xyz contradicts {path}, whose axes are zyx; remove --axes",
    }
    for options, message in messages.items():
        outcome = run_cli(*command, *options)
        assert (outcome.code, outcome.err.splitlines()[-1]) == (2, f"Error: {message}")
    assert run_cli(*command, "--normalize", "zscore", "--axes", "zyx").code == 0
    unetgen.save(build_network(), path, preprocessing={"downsampling": 2})
    assert run_cli(*command).err == (
        f"warning: {path} was trained on images downsampled by 2; downsample the images by 2 too\n"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float, tmp_path: Path, run_cli: RunCli) -> None:
    image = np.zeros((1, 16, 16), "float32")
    image[0, 3, 4] = value
    with pytest.raises(ImageError) as error_info:
        predict(build_network(), image)
    assert str(error_info.value) == "image: a tile has 1 NaN or infinite values; replace them"
    np.save(tmp_path / "image.npy", image)
    unetgen.save(build_network(), tmp_path / "net.safetensors")
    outcome = run_cli(
        "predict", str(tmp_path / "net.safetensors"), str(tmp_path / "image.npy"), "-o", str(tmp_path / "o")
    )
    assert outcome.err == f"{tmp_path}/image.npy: a tile has 1 NaN or infinite values; replace them\n"
    assert not (tmp_path / "o" / "image.npy").exists()


@pytest.mark.parametrize("dims", [2, 3])
def test_nifti_axes_are_those_of_the_training(dims: int, tmp_path: Path, run_cli: RunCli) -> None:
    size = (12, 16, 20)[:dims]
    values = np.random.default_rng(0).normal(size=size).astype("float32")
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    path = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    model = build_network(dims)
    unetgen.save(model, tmp_path / "net.safetensors", preprocessing={"axes": "zyx"})
    command = [
        "predict",
        str(tmp_path / "net.safetensors"),
        str(path),
        "-o",
        str(tmp_path / "out"),
        "--keep",
        "outputs",
    ]
    assert run_cli(*command).code == 0
    result = nibabel.load(tmp_path / "out" / "scan.nii.gz")
    expected = predict(model, values.T[None])  # (classes, z, y, x)
    assert np.allclose(result.get_fdata(), np.moveaxis(expected, 0, -1).swapaxes(0, dims - 1), atol=1e-5)
    assert np.array_equal(result.affine, affine)


def test_reversed_axes_write_and_read_the_same_regions(tmp_path: Path) -> None:
    values = np.arange(24, dtype="float32").reshape(2, 3, 4)
    path = tmp_path / "scan.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    image = read_image(path, 3, "zyx")
    assert image.array.shape == (1, 4, 3, 2)
    assert image.array.dtype == np.float32
    with open_output(tmp_path / "copy.nii", image.array.shape, "float32", image) as out:
        out[:, 1:3, :, 0:1] = image.array[:, 1:3, :, 0:1]
    copy = np.asarray(nibabel.load(tmp_path / "copy.nii").dataobj)
    assert np.array_equal(copy[0:1, :, 1:3], values[0:1, :, 1:3])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"normalisation": "zscore"}, "normalisation: Extra inputs are not permitted"),
        ({"axes": "yxz"}, "axes: Input should be 'xyz' or 'zyx'"),
        ({"downsampling": 0}, "downsampling: Input should be greater than or equal to 1"),
        ({"class_values": [1, 1]}, "class_values: Value error, two classes have the same mask value"),
    ],
)
def test_invalid_preprocessing_is_refused(data: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as error_info:
        unetgen.save(build_network(), tmp_path / "net.safetensors", preprocessing=data)
    fields = "normalization, axes, channels, spacing, downsampling, class_values, class_names"
    assert str(error_info.value) == (
        f"{tmp_path}/net.safetensors: invalid preprocessing: {reason}; its fields are {fields}"
    )
    assert not (tmp_path / "net.safetensors").exists()


def test_fixed_numbers_need_the_channels_of_the_training() -> None:
    with pytest.raises(ImageError) as error_info:
        normalize_image(np.zeros((3, 4, 4), "uint8"), Standardization(mean=(0.0, 1.0), std=(1.0, 1.0)))
    assert str(error_info.value) == (
        "normalization has numbers for 2 channels, the image has 3; use an image with the channels of the training"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"channels": ["a", "b"]}, "channels has 2 entries for a network of 1 input channels"),
        (
            {"normalization": {"mean": [1], "std": [1, 2]}},
            "normalization has 2 entries for a network of 1 input channels",
        ),
        ({"spacing": [1.0]}, "spacing has 1 entries for a network of 2 dimensions"),
        ({"class_values": [1, 2, 3]}, "class_values has 3 entries for a network of 2 classes"),
        ({"class_names": ["a"]}, "class_names has 1 entries for a network of 2 classes"),
    ],
)
def test_preprocessing_of_another_network_is_refused(data: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as error_info:
        unetgen.save(build_network(), tmp_path / "net.safetensors", preprocessing=data)
    assert str(error_info.value) == (f"{tmp_path}/net.safetensors: invalid preprocessing: {reason}; give one for each")


@pytest.mark.parametrize(("values", "dtype"), [([7, 3], "uint8"), ([0, 1000], "uint16"), ([-1, 70000], "int32")])
@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_labels_have_the_values_of_the_masks(
    values: list[int], dtype: str, suffix: str, tmp_path: Path, run_cli: RunCli
) -> None:
    model = build_network()
    image = np.random.default_rng(1).normal(size=(24, 20)).astype("float32")
    outputs = predict(model, image[None])
    list(model.parameters())[-1].data[0] += float(np.median(outputs[1] - outputs[0]))  # the head's bias
    unetgen.save(model, tmp_path / "net.safetensors", preprocessing={"class_values": values})
    write_array(tmp_path / f"image{suffix}", image)
    command = [
        "predict",
        str(tmp_path / "net.safetensors"),
        str(tmp_path / f"image{suffix}"),
        "-o",
        str(tmp_path / "o"),
    ]
    assert run_cli(*command).code == 0
    result = np.asarray(read_image(tmp_path / "o" / f"image{suffix}", 2).array[:, 0:24, 0:20])
    classes = predict(model, image[None], keep="labels")
    assert len(np.unique(classes)) == 2
    assert np.array_equal(result, np.array(values)[classes])
    assert result.dtype == dtype


def test_labels_that_a_file_cannot_hold_are_refused(tmp_path: Path, run_cli: RunCli) -> None:
    write_array(tmp_path / "image.png", np.zeros((16, 16), "uint8"))
    command = ["predict", str(tmp_path / "net.safetensors"), str(tmp_path / "image.png"), "-o", str(tmp_path / "o")]
    unetgen.save(build_network(), tmp_path / "net.safetensors", preprocessing={"class_values": [0, 70000]})
    assert run_cli(*command).err == (
        f"{tmp_path}/image.png: {tmp_path}/o/image.png: a PNG cannot hold the mask value 70000; "
        "save the image as TIFF, for a TIFF result\n"
    )
    unetgen.save(build_network(), tmp_path / "net.safetensors", preprocessing={"class_values": [5]})
    with pytest.raises(ImageError) as error_info:
        ClassValueArray(np.zeros((1, 2)), [5])[:] = np.array([[0, 1]])
    assert str(error_info.value) == (
        "the network predicts class 1, but mask values are known for 1 classes; "
        "save it with one of class_values for each output"
    )


def test_overlapping_tiles_compare_classes(tmp_path: Path) -> None:
    array = ClassValueArray(np.zeros((1, 4), "uint8"), [255, 0, 7])
    array[:, 0:3] = np.array([[0, 1, 2]])
    assert array.array.tolist() == [[255, 0, 7, 0]]
    assert array[:, 0:3].tolist() == [[0, 1, 2]]


def test_a_preprocessing_file_that_cannot_be_read(tmp_path: Path, run_cli: RunCli) -> None:
    unetgen.save(build_network(), tmp_path / "net.safetensors")
    spec = tmp_path / "net.yaml"
    spec.write_text(run_cli("show", str(tmp_path / "net.safetensors")).out)
    command = [
        "import-weights",
        str(spec),
        str(tmp_path / "net.safetensors"),
        "--out",
        str(tmp_path / "out.safetensors"),
    ]
    file = tmp_path / "expected.json"
    give = "give a file that from-nnunet wrote"
    missing = run_cli(*command, "--preprocessing", str(file))
    assert missing.err == f"{file}: cannot be read: No such file or directory; {give}\n"
    file.write_bytes(b"\xff")
    assert run_cli(*command, "--preprocessing", str(file)).err == f"{file}: cannot be read: not UTF-8; {give}\n"
    file.write_text("[]")
    assert run_cli(*command, "--preprocessing", str(file)).err == (
        f"{file}: invalid preprocessing: Input should be an object; "
        "its fields are normalization, axes, channels, spacing, downsampling, class_values, class_names\n"
    )
    assert not (tmp_path / "out.safetensors").exists()
