"""Test unetgen.trials: datasets, patch windows, metrics, baselines and training."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from scipy import ndimage

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from support.textures import texture, write_textures
from unetgen.ablation.runs.context import TrialContext
from unetgen.ablation.runs.trial_function import get_baselines
from unetgen.errors import ImageError, MissingDependencyError, RunError
from unetgen.tiling import predict
from unetgen.trials import cost, segmentation
from unetgen.trials.augmentation import build_augmentation
from unetgen.trials.baselines import fit_majority, fit_otsu
from unetgen.trials.dataset import Dataset, Sample
from unetgen.trials.losses import LossName, build_loss
from unetgen.trials.metrics import SegmentationMetrics
from unetgen.trials.patch_context import PatchContext, choose_scoring_patch

pytestmark = pytest.mark.usefixtures("single_torch_thread")

SMALL: dict[str, Any] = {"in_channels": 1, "widths": [8, 16], "input_size": None}
VALID: dict[str, Any] = {**SMALL, "block.padding": "valid", "skip.align": "crop"}

ISBI = ROOT.parent / "shared" / "data" / "isbi2012"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("textures")
    write_textures(folder)
    return folder


def context(folder: Path, seed: int = 0) -> TrialContext:
    folder.mkdir(parents=True, exist_ok=True)
    reports: list[Any] = []
    return TrialContext("net", seed, "cpu", folder, on_report=lambda step, metrics: reports.append((step, metrics)))


# Data


def test_files_are_paired_by_name_and_split_by_number(data: Path) -> None:
    dataset = Dataset.read(data / "image", data / "mask", 2, validation_fraction=0.25)
    assert [sample.name for sample in dataset.train] == [f"{n}.png" for n in range(9)]
    assert [sample.name for sample in dataset.validation] == ["9.png", "10.png", "11.png"]
    assert dataset.class_values == (0, 255)
    pixels, mask = texture(10)
    assert np.array_equal(dataset.validation[1].mask, mask // 255)
    assert np.allclose(dataset.validation[1].image[0], (pixels - pixels.mean()) / pixels.std(), atol=1e-5)


def test_images_are_reduced_by_means_and_masks_by_the_most_frequent_class(data: Path) -> None:
    whole = Dataset.read(data / "image", data / "mask", 2).train[0]
    half = Dataset.read(data / "image", data / "mask", 2, reduce=4).train[0]
    assert half.image.shape == (1, 16, 16)
    blocks = whole.mask.reshape(16, 4, 16, 4).mean((1, 3))
    assert np.array_equal(half.mask[blocks != 0.5], (blocks > 0.5)[blocks != 0.5])
    means = whole.image[0].reshape(16, 4, 16, 4).mean((1, 3))
    assert np.allclose(half.image[0], (means - means.mean()) / means.std(), atol=1e-4)


def test_volumes(tmp_path: Path) -> None:
    for name, values in (
        ("image", np.random.default_rng(0).normal(size=(3, 8, 10, 12))),
        ("mask", np.ones((3, 8, 10, 12))),
    ):
        (tmp_path / name).mkdir()
        for number, volume in enumerate(values):
            volume[:4] = volume[:4] if name == "image" else 0
            nibabel.save(
                nibabel.Nifti1Image(volume.astype(np.float32), np.eye(4)), tmp_path / name / f"{number}.nii.gz"
            )
    dataset = Dataset.read(tmp_path / "image", tmp_path / "mask", 3, reduce=2)
    assert (len(dataset.train), len(dataset.validation)) == (2, 1)
    assert dataset.train[0].image[0].shape == dataset.train[0].mask.shape
    assert dataset.train[0].mask.size == 4 * 5 * 6
    assert dataset.class_values == (0, 1)


def save_with_nan(path: Path) -> None:
    values = np.zeros((64, 64), np.float32)
    values[0, :2] = np.nan, np.inf
    np.save(path, values)


def test_classes_of_masks_with_a_palette_are_its_indices(data: Path, tmp_path: Path) -> None:
    """PASCAL VOC has such masks; the colours do not matter."""
    write_textures(tmp_path, 3)
    masks = [np.random.default_rng(number).integers(0, 5, (64, 64), np.uint8) for number in range(3)]
    for number, mask in enumerate(masks):
        coloured = Image.fromarray(mask, "P")
        coloured.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 128, 0, 0])
        coloured.save(tmp_path / "mask" / f"{number}.png")
    dataset = Dataset.read(tmp_path / "image", tmp_path / "mask", 2)
    assert dataset.class_values == (0, 1, 2, 3, 4)
    assert all(np.array_equal(s.mask, m) for s, m in zip((*dataset.train, *dataset.validation), masks, strict=True))


def test_stacks_are_read_slice_by_slice(data: Path, tmp_path: Path) -> None:
    """The ISBI challenge has such data: one multi-page TIFF of images, one of masks."""
    for name, stack in zip(("image", "mask"), zip(*map(texture, range(12)), strict=True), strict=True):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.stack(stack), photometric="minisblack")
    stacked = Dataset.read(tmp_path / "image.tif", tmp_path / "mask.tif", 2)
    separate = Dataset.read(data / "image", data / "mask", 2)
    assert [sample.name for sample in stacked.validation] == ["image.tif[10]", "image.tif[11]"]
    for one, other in zip((*stacked.train, *stacked.validation), (*separate.train, *separate.validation), strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)


def test_both_parts_of_the_split_have_an_image(data: Path) -> None:
    assert len(Dataset.read(data / "image", data / "mask", 2, validation_fraction=0.99).train) == 1
    assert len(Dataset.read(data / "image", data / "mask", 2, validation_fraction=0.01).validation) == 1


def invalid_datasets(folder: Path) -> dict[str, tuple[Callable[[], Any], str]]:
    image, mask = folder / "image", folder / "mask"
    return {
        "no folder": (lambda: (folder / "gone", mask), f"{folder}/gone: directory not found; check the path"),
        "no images": (
            lambda: ((folder / "empty").mkdir() or folder / "empty", mask),
            f"{folder}/empty: no images found; use one of .npy, .zarr, .tif, .tiff, .nii, .nii.gz, .png, "
            ".jpg, .jpeg, .bmp",
        ),
        "a mask is missing": (
            lambda: (mask / "7.png").unlink() or (image, mask),
            f"{image}: 1 image (7) without a mask in {mask}; give an image and its mask the same name",
        ),
        "masks are missing": (
            lambda: ((mask / "10.png").unlink(), (mask / "7.png").unlink()) and (image, mask),
            f"{image}: 2 images (7, ...) without a mask in {mask}; give an image and its mask the same name",
        ),
        "an image is missing": (
            lambda: (image / "4.png").unlink() or (image, mask),
            f"{mask}: 1 mask (4) without an image in {image}; give an image and its mask the same name",
        ),
        "images and masks are missing": (
            lambda: [(mask / f"{n}.png").unlink() for n in (3, 7, 10)] and [(image / f"{n}.png").unlink() for n in (2, 4)]
            and (image, mask),
            f"{image}: 3 images (3, ...) without a mask in {mask} and 2 masks (2, ...) without an image in {image}; "
            "give an image and its mask the same name",
        ),
        "other sizes": (
            lambda: Image.new("L", (9, 8)).save(mask / "3.png") or (image, mask),
            f"{mask}/3.png: the mask is 8 x 9, but its image is 64 x 64; make them the same size",
        ),
        "colored masks": (
            lambda: Image.new("RGB", (64, 64)).save(mask / "3.png") or (image, mask),
            f"{mask}/3.png: a mask must have one channel, not 3; save the class of each pixel",
        ),
        "soft masks": (
            lambda: Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(mask / "3.png") or (image, mask),
            f"{mask}: masks have 256 different values, more than 64 classes; save one integer per class, without smoothed edges",
        ),
        "one image": (
            lambda: [path.unlink() for side in (image, mask) for path in side.glob("*[1-9].png")]
            and [(side / "10.png").unlink() for side in (image, mask)] and (image, mask),
            f"{image}: contains one image, but training and validation need two; add more images",
        ),
        "a file and a folder": (
            lambda: (image / "3.png", mask),
            f"{image}/3.png: is a file, but the other is a directory; pass two directories or two stacks",
        ),
        "two pictures": (
            lambda: (image / "3.png", mask / "3.png"),
            f"{image}/3.png: is a single image; pass its directory, or a stack of images",
        ),
        "no classes": (
            lambda: [Image.new("L", (64, 64), 7).save(path) for path in mask.glob("*.png")] and (image, mask),
            f"{mask}: all mask pixels are 7; label at least two classes",
        ),
        "an image with NaN": (
            lambda: (image / "3.png").unlink() or save_with_nan(image / "3.npy") or (image, mask),
            f"{image}/3.npy: contains 2 NaN or infinite values; correct or remove the file",
        ),
        "a mask with NaN": (
            lambda: (mask / "3.png").unlink() or save_with_nan(mask / "3.npy") or (image, mask),
            f"{mask}/3.npy: contains 2 NaN or infinite values; correct or remove the file",
        ),
        "a mask of fractions": (
            lambda: (mask / "3.png").unlink() or np.save(mask / "3.npy", np.full((64, 64), 0.25)) or (image, mask),
            f"{mask}/3.npy: mask values must be integers, not 0.25; save one integer per class",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("what", list(invalid_datasets(Path())))
def test_invalid_datasets_are_reported(what: str, tmp_path: Path) -> None:
    write_textures(tmp_path)
    make, sentence = invalid_datasets(tmp_path)[what]
    with pytest.raises(ImageError) as error:
        Dataset.read(*make(), 2)
    assert str(error.value) == sentence


def test_dataset_that_does_not_match_the_network(data: Path, tmp_path: Path) -> None:
    paths = {"images": str(data / "image"), "masks": str(data / "mask")}

    def message(spec: dict[str, Any], **options: Any) -> str:
        return trial_error(segmentation, tmp_path, spec, **{**paths, **options})

    assert message({"in_channels": 3}) == (
        "0.png: the image has 1 channels, the network needs 3; set in_channels: 1 in the sweep's base"
    )
    softmax_head = {"head": {"type": "conv", "activation": "softmax"}}
    assert message(softmax_head) == (
        "the head returns probabilities, but the losses expect logits; remove the head's activation"
    )
    assert message({}, objects=7) == "objects: no mask contains the value 7; choose one of 0, 255"
    assert message({}, reduce=100) == ("0.png: reduce=100 is larger than the image (64 x 64); choose a smaller factor")
    three = tmp_path / "three"
    write_textures(three, 3)
    Image.fromarray((np.arange(4096) % 3).astype(np.uint8).reshape(64, 64)).save(three / "mask" / "0.png")
    assert message({}, images=str(three / "image"), masks=str(three / "mask")) == (
        "the masks have 4 classes (0, 1, 2, 255), the network predicts 2; set out_channels: 4 in the sweep's base"
    )

    Image.new("L", (64, 64)).save(three / "mask" / "2.png")
    assert message({"out_channels": 4}, images=str(three / "image"), masks=str(three / "mask"), objects=255) == (
        "objects: no validation mask contains the value 255; increase validation, or omit objects"
    )


# Options

MISSING_DATA: dict[str, Any] = {"images": "nowhere", "masks": "nowhere"}


def trial_error(trial: Callable[..., Any], folder: Path, spec: dict[str, Any], **options: Any) -> str:
    model = unetgen.build("unet_milesial", seed=0, **{**SMALL, **spec})
    with pytest.raises(unetgen.UnetgenError) as error:
        trial(model, model.spec, context(folder), **options)
    return str(error.value)


@pytest.mark.parametrize(("option", "value", "sentence"), [
    ("steps", 0, "steps: 0 must be greater than 0"),
    ("steps", 2.5, "steps: 2.5 is not a whole number"),
    ("batch", "4", "batch: '4' is not a whole number; write the number without quotes"),
    ("patch", 0, "patch: 0 must be greater than 0"),
    ("patch", [16, 0], "patch: [16, 0] must be greater than 0"),
    ("patch", [16], "patch: must have 2 numbers, one per axis, not [16]; set one number for all axes, or 2"),
    ("learning_rate", float("nan"), "learning_rate: NaN is not a finite number"),
    ("learning_rate", -1, "learning_rate: -1 must be greater than 0.0"),
    ("loss", None, "loss: null is not one of 'cross_entropy', 'dice', 'dice_cross_entropy'"),
    ("loss", "dize", "loss: 'dize' is not one of 'cross_entropy', 'dice', 'dice_cross_entropy'; did you mean 'dice'?"),
    ("augment", True, "augment: true is not one of 'none', 'flips', 'paper'"),
    ("reduce", -2, "reduce: -2 must be greater than 0"),
    ("validation", 0, "validation: 0 must be greater than 0.0"),
    ("validation", 1.0, "validation: 1.0 must be less than 1.0"),
    ("evaluate", -1, "evaluate: -1 must be greater than 0"),
    ("objects", "cell", "objects: 'cell' is not a whole number"),
    ("images", 2012, "images: 2012 is not text"),
])  # fmt: skip
def test_options_are_validated_before_files_are_read(option: str, value: Any, sentence: str, tmp_path: Path) -> None:
    assert trial_error(segmentation, tmp_path, {}, **{**MISSING_DATA, option: value}) == sentence


def test_all_invalid_options_are_reported_together(tmp_path: Path) -> None:
    assert trial_error(segmentation, tmp_path, {}, **MISSING_DATA, steps=0, batch=True) == (
        "steps: 0 must be greater than 0\nbatch: true is not a whole number"
    )


def test_invalid_options_start_no_run(tmp_path: Path) -> None:
    sweep = {"base": {"extends": "unet_milesial", **SMALL}}
    (tmp_path / "sweep.yaml").write_text(json.dumps(sweep))
    with pytest.raises(RunError) as error:
        unetgen.run(
            tmp_path / "sweep.yaml", "unetgen.trials:segmentation", options={**MISSING_DATA, "steps": 0, "batch": "4"}
        )
    assert str(error.value) == (
        "steps: 0 must be greater than 0\nbatch: '4' is not a whole number; write the number without quotes"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.yaml"]


def test_baselines_validate_their_own_options(tmp_path: Path) -> None:
    for rule in get_baselines(segmentation).values():
        with pytest.raises(RunError) as error:
            rule(unetgen.load_spec("unet_paper"), context(tmp_path), **MISSING_DATA, reduce=0, steps=0)
        assert str(error.value) == "reduce: 0 must be greater than 0"


def test_missing_packages_are_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = SegmentationMetrics(object_class=1)
    scores.update(np.eye(2, dtype=int), np.eye(2, dtype=int))
    dataset = Dataset.read(data / "image", data / "mask", 2)
    for module in ("monai", "monai.losses", "skimage.filters", "skimage.measure"):
        monkeypatch.setitem(sys.modules, module, None)
    uses: dict[str, Callable[[], Any]] = {
        "augmentation needs monai": lambda: build_augmentation("flips", 2),
        "the loss dice needs monai": lambda: build_loss("dice"),
        "reduce needs scikit-image": lambda: Dataset.read(data / "image", data / "mask", 2, reduce=2),
        "rand_error needs scikit-image": scores.compute,
        "Otsu's threshold needs scikit-image": lambda: fit_otsu(dataset),
    }
    for what, use in uses.items():
        with pytest.raises(MissingDependencyError) as error:
            use()
        assert str(error.value) == f"{what}, which is not installed; run: pip install 'unetgen[trials]'"
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(MissingDependencyError) as error:
        scores.compute()
    assert str(error.value) == (
        "scoring needs scikit-learn, which is not installed; run: pip install 'unetgen[trials]'"
    )


# Geometry


@pytest.mark.parametrize("overrides", [VALID, {**VALID, "widths": [4, 4, 4]}], ids=["valid", "deeper"])
def test_output_of_a_window_is_that_of_the_whole_image(overrides: dict[str, Any]) -> None:
    """In double precision, also at the borders of the image."""
    model = unetgen.build("unet_milesial", seed=0, **overrides).double().eval()
    image = np.random.default_rng(0).normal(size=(1, 60, 52))
    window, image_window = PatchContext.of(model.graph, (20, 16)), PatchContext.of(model.graph, (60, 52))
    whole = predict(model, image, tile=image_window.input_size)
    period = model.graph.fits[0].period
    first = [(a - b) % period for a, b in zip(window.margin, image_window.margin, strict=True)]
    for position in [(first[0] + 4 * n, first[1] + 4 * m) for n in (0, 3, 9) for m in (0, 5, 8)]:
        with torch.no_grad():
            output = window.crop_output(model(torch.from_numpy(window.read_input(image, position))[None]))[0].numpy()
        expected = whole[:, position[0] : position[0] + 20, position[1] : position[1] + 16]
        assert np.abs(output[:, : expected.shape[1], : expected.shape[2]] - expected).max() < 1e-12


def test_windows_are_the_smallest_that_cover_the_patch() -> None:
    padded, valid = (PatchContext.of(unetgen.graph_of("unet_milesial", **o), (20, 15)) for o in (SMALL, VALID))
    assert (padded.input_size, padded.output_size, padded.margin) == ((20, 15), (20, 15), (0, 0))
    assert (valid.input_size, valid.output_size, valid.margin) == ((36, 32), (20, 16), (8, 8))


def test_windows_of_flat_patches_are_flat() -> None:
    graph = unetgen.graph_of(
        "unet_milesial", **{**SMALL, "dims": 3, "widths": [4, 8, 16], "downsample.rounding": "exact"}
    )
    assert PatchContext.of(graph, (7, 128, 126)).input_size == (8, 128, 128)


@pytest.mark.parametrize(("image", "block"), [
    ((3_000_000,), (1_048_576,)),
    ((512, 700), (512, 700)),
    ((5000, 300), (3495, 300)),
    ((5000, 5000), (1024, 1024)),
    ((30, 512, 512), (30, 186, 187)),
    ((512, 512, 512), (101, 101, 102)),
])  # fmt: skip
def test_scoring_patch_is_limited_in_pixels(image: tuple[int, ...], block: tuple[int, ...]) -> None:
    assert choose_scoring_patch(image) == block
    assert np.prod(block) <= 1024 * 1024


def test_patches_without_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    graph: Any = SimpleNamespace(dims=2, output_size=lambda size: tuple(2 * length for length in size))
    for fitting, sentence in (
        (None, "no input size gives an output of at least 20 x 15 pixels; choose a smaller patch"),
        ((20, 20), "the network's output is larger than its input; choose a network without larger outputs"),
    ):
        monkeypatch.setattr(
            "unetgen.trials.patch_context.smallest_fitting_size", lambda graph, minimum, size=fitting: size
        )
        with pytest.raises(ImageError) as error:
            PatchContext.of(graph, (20, 15))
        assert str(error.value) == sentence


def test_mask_is_cropped_to_the_patch(data: Path) -> None:
    sample = Dataset.read(data / "image", data / "mask", 2).train[0]
    window = PatchContext.of(unetgen.graph_of("unet_milesial", **VALID), (20, 16))
    assert np.array_equal(window.read_mask(sample.mask, (3, 5)), sample.mask[3:23, 5:21])
    cropped = window.read_input(sample.image, (20, 24))
    margin = window.margin
    assert np.array_equal(
        cropped[:, margin[0] : margin[0] + 20, margin[1] : margin[1] + 16], sample.image[:, 20:40, 24:40]
    )


def test_a_mask_that_is_one_pixel_off_scores_less(data: Path) -> None:
    mask = Dataset.read(data / "image", data / "mask", 2).train[0].mask
    results = []
    for shift in range(4):
        scores = SegmentationMetrics(object_class=1)
        scores.update(np.roll(mask, shift, axis=1), mask)
        results.append(scores.compute())
    assert results[0] == {"dice": 1.0, "iou": 1.0, "rand_error": 0.0}
    for name, is_decreasing in (("dice", True), ("iou", True), ("rand_error", False)):
        values = [scores[name] for scores in results]
        assert values == sorted(values, reverse=is_decreasing)
        assert len(set(values)) == 4


def test_metrics_match_their_definitions() -> None:
    random = np.random.default_rng(0)
    predicted, truth = random.integers(0, 3, (2, 40, 40))
    scores = SegmentationMetrics()
    for half in (slice(0, 20), slice(20, 40)):
        scores.update(predicted[half], truth[half])
    overlap = [((predicted == c) & (truth == c)).sum() for c in range(3)]
    sums = [(predicted == c).sum() + (truth == c).sum() for c in range(3)]
    assert scores.compute()["dice"] == pytest.approx(np.mean([2 * a / b for a, b in zip(overlap, sums, strict=True)]))
    assert scores.compute()["iou"] == pytest.approx(np.mean([a / (b - a) for a, b in zip(overlap, sums, strict=True)]))
    with pytest.raises(ValueError, match="predicted shape must be"):
        scores.update(predicted[:20], truth)


def score(predicted: np.ndarray, truth: np.ndarray, objects: int | None = None) -> dict[str, float]:
    scores = SegmentationMetrics(objects)
    scores.update(predicted, truth)
    return scores.compute()


def test_absent_classes_do_not_count() -> None:
    truth = np.eye(4, dtype=int) * 2
    assert score(truth, truth) == {"dice": 1.0, "iou": 1.0}
    # A class that is only predicted counts, with a score of 0.
    predicted = np.where(truth == 2, 2, 5 * (np.arange(4) == 3))
    assert score(predicted, truth)["dice"] == pytest.approx(np.mean([2 * 9 / (9 + 12), 1, 0]))


def squares(*positions: tuple[int, int], size: int = 24) -> np.ndarray:
    mask = np.zeros((size, size), int)
    for row, column in positions:
        mask[row : row + 6, column : column + 6] = 1
    return mask


def test_rand_error_of_simple_objects() -> None:
    one, nine = squares((3, 3)), squares(*[(row, column) for row in (1, 9, 17) for column in (1, 9, 17)])
    for truth in (one, nine):
        assert score(truth, truth, 1)["rand_error"] == 0
        assert score(np.zeros_like(truth), truth, 1)["rand_error"] == 1
    assert score(np.ones_like(nine), nine, 1)["rand_error"] == pytest.approx(1 - 2 * 35 / (35 + 323))
    # Predictions outside the true objects do not count; half an object misses the other half.
    assert score(np.maximum(one, squares((15, 15))), one, 1)["rand_error"] == 0
    half = one * (np.arange(24) < 6)
    assert score(half, one, 1)["rand_error"] == pytest.approx(1 - 2 * 18 * 17 / (18 * 17 + 36 * 35))


@pytest.mark.parametrize("seed", range(8))
def test_rand_error_equals_the_count_over_all_pairs(seed: int) -> None:
    """Count the pairs of pixels of true objects that share a component, in the truth and the prediction."""
    random = np.random.default_rng(seed)
    predicted, truth = (random.random((2, 6, 7)) < 0.6).astype(int)
    components = [ndimage.label(side)[0].ravel()[truth.ravel() == 1] for side in (truth, predicted)]
    together = [[a == b != 0 for a, b in combinations(side, 2)] for side in components]
    both = sum(map(all, zip(*together, strict=True)))
    expected = 1 - 2 * both / sum(map(sum, together))
    assert score(predicted, truth, 1)["rand_error"] == pytest.approx(expected)
    # Class numbers and the orientation of the image do not matter.
    flipped = [np.where(side == 1, 3, 8)[::-1, ::-1] for side in (predicted, truth)]
    assert score(*flipped, 3)["rand_error"] == pytest.approx(expected)


def test_images_without_objects_have_no_rand_error() -> None:
    scores, truth = SegmentationMetrics(object_class=1), squares((3, 3))
    scores.update(squares((9, 9)), np.zeros_like(truth))
    scores.update(truth, truth)
    assert scores.compute()["rand_error"] == 0
    # Single pixels form no pairs.
    single_pixel = np.eye(24, dtype=int) * (np.arange(24) == 5)
    assert score(single_pixel, single_pixel, 1)["rand_error"] == 0
    assert score(0 * single_pixel, single_pixel, 1)["rand_error"] == 0


# Baselines


def make_intensity_dataset(classes: int, noise: float = 0.05) -> Dataset:
    """Images whose classes are their intensities."""
    masks = [np.random.default_rng(seed).integers(0, classes, (64, 64)) for seed in range(3)]
    noises = [np.random.default_rng(seed + 9).normal(0, noise, (64, 64)) for seed in range(3)]
    samples = [Sample("a", (m + n)[None].astype(np.float32), m) for m, n in zip(masks, noises, strict=True)]
    return Dataset(tuple(samples[:2]), (samples[2],), tuple(range(classes)))


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_otsu_separates_classes_by_intensity(classes: int) -> None:
    dataset = make_intensity_dataset(classes)
    assert (fit_otsu(dataset)(dataset.validation[0]) == dataset.validation[0].mask).mean() > 0.99


def test_otsu_predicts_at_most_five_classes() -> None:
    dataset = make_intensity_dataset(21)
    predicted = fit_otsu(dataset)(dataset.validation[0])
    assert len(np.unique(predicted)) == 5
    assert (predicted == dataset.validation[0].mask).mean() == pytest.approx(5 / 21, abs=0.02)


def test_otsu_predicts_the_majority_on_constant_images() -> None:
    dataset = make_intensity_dataset(3)
    blank = [Sample("a", np.zeros((1, 64, 64), np.float32), sample.mask) for sample in dataset.train]
    flat = Dataset(tuple(blank), (blank[0],), dataset.class_values)
    assert np.array_equal(fit_otsu(flat)(blank[0]), fit_majority(flat)(blank[0]))


# Augmentation and losses


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("name", ["none", "flips", "paper"])
def test_images_and_masks_are_changed_together(name: str, dims: int) -> None:
    """An image that equals its mask still does after augmentation, up to interpolation."""
    mask = np.zeros((16,) * dims, np.int64)
    mask[tuple(slice(2, 9) for _ in range(dims))] = 1
    sample = Sample("a", mask[None].astype(np.float32), mask)
    change = build_augmentation(name, dims)
    results = [change(sample, seed) for seed in range(6)]
    for result in results:
        assert result.image.shape == (1, *mask.shape)
        assert result.mask.dtype == np.int64
        assert ((result.image[0] > 0.5) == result.mask).mean() > 0.93
    assert len({result.mask.tobytes() for result in results}) == (
        1 if name == "none" else len({f.mask.tobytes() for f in results})
    )
    if name != "none":
        assert len({result.image.tobytes() for result in results}) > 1
    again = [build_augmentation(name, dims)(sample, seed) for seed in range(6)]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(results, again, strict=True))


@pytest.mark.parametrize("name", get_args(LossName))
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_losses_are_smallest_if_all_pixels_are_correct(name: str, channels: int) -> None:
    truth = torch.randint(0, max(channels, 2), (2, 6, 6), generator=torch.Generator().manual_seed(0))
    right = (
        9 * (2 * truth[:, None] - 1.0)
        if channels == 1
        else 9 * torch.nn.functional.one_hot(truth, channels).movedim(-1, 1).float()
    )
    loss = build_loss(name)
    assert float(loss(right, truth)) < 0.05 < float(loss(torch.zeros_like(right), truth)) < float(loss(-right, truth))


# Learning


def train(data: Path, folder: Path, overrides: dict[str, Any], **options: Any) -> dict[str, float]:
    model = unetgen.build("unet_milesial", seed=options.pop("seed", 0), **overrides)
    defaults: dict[str, Any] = {"steps": 40, "patch": 32, "learning_rate": 1e-2}
    paths = {"images": str(data / "image"), "masks": str(data / "mask")}
    return segmentation(model, model.spec, context(folder), **paths, **(defaults | options))


@pytest.mark.slow
def test_networks_beat_the_intensity_baselines(data: Path, tmp_path: Path, run_cli: RunCli) -> None:
    """A padded and a valid network are scored on the same pixels as the baselines, and are better."""
    (tmp_path / "sweep.yaml").write_text(
        "base: {extends: unet_milesial, in_channels: 1, widths: [8, 16], input_size: [44, 44], skip: {align: crop}}\n"
        "axes: {block.padding: [zeros, valid]}\n"
    )
    options = [
        f"images={data / 'image'}",
        f"masks={data / 'mask'}",
        "steps=25",
        "patch=32",
        "learning_rate=0.01",
        "objects=255",
    ]
    outcome = run_cli(
        "run", str(tmp_path / "sweep.yaml"), "-o", str(tmp_path / "out"), "--trial", "unetgen.trials:segmentation",
        "--cpus", "1", *[word for option in options for word in ("--with", option)],
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    with closing(sqlite3.connect(tmp_path / "out" / "results.sqlite")) as opened:
        dice = dict(opened.execute("SELECT variant, value FROM metrics WHERE name = 'dice'"))
        rand = dict(opened.execute("SELECT variant, value FROM metrics WHERE name = 'rand_error'"))
        steps = [row[0] for row in opened.execute("SELECT DISTINCT step FROM curves ORDER BY step")]
    nets = [name for name in dice if name not in ("majority", "otsu")]
    assert len(nets) == 2
    assert max(dice["majority"], dice["otsu"]) < 0.65
    assert all(dice[net] > 0.85 for net in nets), dice
    assert all(rand[net] < min(rand["majority"], rand["otsu"]) for net in nets), rand
    assert steps == [5, 10, 15, 20, 25]
    # The trained network is saved in the trial's directory and can be loaded.
    weights = sorted((tmp_path / "out" / "trials").glob("*/seed-0/model.safetensors"))
    assert len(weights) == 2
    assert unetgen.load(weights[0]).graph.in_channels == 1


def test_resumed_training_equals_an_uninterrupted_one(data: Path, tmp_path: Path) -> None:
    dropout = {**SMALL, "block.dropout": 0.2}
    whole = train(data, tmp_path / "whole", dropout, steps=6, evaluate=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationMetrics, "update", interrupt_after(SegmentationMetrics.update, after=5))
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "cut", dropout, steps=6, evaluate=2)
    saved_step = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["step"]
    assert saved_step == 4
    assert train(data, tmp_path / "cut", dropout, steps=6, evaluate=2) == whole


def interrupt_after(method: Callable[..., Any], after: int) -> Callable[..., Any]:
    calls = iter(range(after))

    def wrapper(*arguments: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return method(*arguments)

    return wrapper


def test_variants_learn_from_and_are_scored_on_the_same_pixels(data: Path, tmp_path: Path) -> None:
    seen: list[list[bytes]] = []
    for overrides in (SMALL, VALID):
        cuts: list[bytes] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PatchContext, "read_mask", record_result(PatchContext.read_mask, cuts))
            patch.setattr(SegmentationMetrics, "update", record_truth(SegmentationMetrics.update, cuts))
            train(data, tmp_path / str(len(seen)), overrides, steps=2, augment="paper")
        seen.append(cuts)
    # Two steps of four patches, each followed by both held-out images at full size.
    assert [len(patch) // 8 for patch in seen[0]] == 2 * (4 * [32 * 32] + 2 * [64 * 64])
    assert seen[0] == seen[1]


def record_truth(update: Callable[..., None], cuts: list[bytes]) -> Callable[..., None]:
    def wrapper(self: SegmentationMetrics, predicted: Any, truth: Any) -> None:
        cuts.append(truth.tobytes())
        update(self, predicted, truth)

    return wrapper


def record_result(method: Callable[..., Any], cuts: list[bytes]) -> Callable[..., Any]:
    def wrapper(*arguments: Any) -> Any:
        cuts.append((result := method(*arguments)).tobytes())
        return result

    return wrapper


@pytest.mark.parametrize("overrides", [
    {"out_channels": 1}, {"head": "deep_supervision", "widths": [8, 8, 8]}, {"block.norm": "instance"},
])  # fmt: skip
def test_other_heads_learn_too(overrides: dict[str, Any], data: Path, tmp_path: Path) -> None:
    result = train(data, tmp_path, {**SMALL, **overrides}, steps=30, loss="dice_cross_entropy")
    assert result["dice"] > 0.7
    assert set(result) == {"dice", "iou", "loss"}


def test_volumes_are_learnt(tmp_path: Path) -> None:
    """A ball of one texture inside another; the textures differ along the first axis only."""
    for name in ("image", "mask"):
        (tmp_path / name).mkdir()
    depth, row, column = np.mgrid[:16, :16, :16]
    for number in range(5):
        random = np.random.default_rng(number)
        mask = (
            sum(
                (axis - centre) ** 2
                for axis, centre in zip((depth, row, column), random.uniform(4, 12, 3), strict=True)
            )
            < 30
        )
        image = np.where(mask, depth % 2, depth // 2 % 2) + random.normal(0, 0.1, mask.shape)
        for name, values in (("image", image), ("mask", mask)):
            volume = nibabel.Nifti1Image(values.astype(np.float32), np.eye(4))
            nibabel.save(volume, tmp_path / name / f"{number}.nii.gz")
    overrides = {**SMALL, "dims": 3, "widths": [6, 12]}
    paths = {"images": str(tmp_path / "image"), "masks": str(tmp_path / "mask")}
    model = unetgen.build("unet_milesial", seed=0, **overrides)
    options: dict[str, Any] = {"steps": 40, "patch": [8, 12, 12], "learning_rate": 1e-2, "augment": "none"}
    result = segmentation(model, model.spec, context(tmp_path / "trial"), **paths, **options)
    assert result["dice"] > 0.8


@pytest.mark.skipif(not ISBI.is_dir(), reason="the images of the ISBI 2012 challenge are not here")
def test_membranes_are_learnt(tmp_path: Path) -> None:
    """Electron micrographs; Otsu's threshold has a Dice of 0.68 here."""
    model = unetgen.build("unet_milesial", seed=0, **{**SMALL, "widths": [8, 16, 32]})
    result = segmentation(
        model, model.spec, context(tmp_path), images=str(ISBI / "image"), masks=str(ISBI / "label"), reduce=4,
        steps=60, patch=64, learning_rate=1e-2, objects=255,
    )  # fmt: skip
    assert result["dice"] > 0.75


# Cost


def test_cost_needs_no_data(tmp_path: Path) -> None:
    model = unetgen.build("unet_milesial", seed=0, **SMALL)
    result = cost(model, model.spec, context(tmp_path), batch=2, runs=3)
    assert set(result) == {"latency_ms", "throughput", "peak_memory_mb"}
    assert result["throughput"] == pytest.approx(2000 / result["latency_ms"])
    double_batch = cost(model, model.spec, context(tmp_path), batch=4, runs=1)
    assert double_batch["peak_memory_mb"] == pytest.approx(2 * result["peak_memory_mb"])
    larger = cost(model, model.spec, context(tmp_path), runs=1, input_size=128)
    assert larger["peak_memory_mb"] == pytest.approx(2 * result["peak_memory_mb"])
    assert model.graph.input_size is None


@pytest.mark.parametrize(("option", "value", "sentence"), [
    ("runs", 0, "runs: 0 must be greater than 0"),
    ("batch", 0, "batch: 0 must be greater than 0"),
    ("input_size", [64, 0], "input_size: [64, 0] must be greater than 0"),
    ("input_size", [8, 8, 8], "input_size: must have 2 numbers, one per axis, not [8, 8, 8]; set one number for all axes, or 2"),
])  # fmt: skip
def test_options_of_cost_are_checked(option: str, value: Any, sentence: str, tmp_path: Path) -> None:
    assert trial_error(cost, tmp_path, {}, **{option: value}) == sentence


def test_cost_of_a_network_without_a_fitting_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("unetgen.trials.cost_trial.smallest_fitting_size", lambda *arguments: None)
    assert trial_error(cost, tmp_path, {}) == "no input size fits this network; run unetgen inspect to see its sizes"
