"""Test that the tiled result equals the untiled one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import unetgen
from support.untiled_reference import in_one_piece
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.tiling import InexactTiling, predict
from unetgen.tiling.mirror_padding import mirror_indices
from unetgen.tiling.plan import plan_axes

pytestmark = pytest.mark.usefixtures("single_torch_thread")

NARROW = [2, 4, 4, 8, 8]


def network(name: str, *, depth: int = 4, **overrides: Any) -> Any:
    overrides = {"input_size": None, "widths": NARROW[: depth + 1], **overrides}
    return unetgen.build(name, seed=0, **overrides).double().eval()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


LINEAR = {"upsample": {"type": "interpolate", "mode": "linear"}}


@pytest.mark.parametrize(
    ("name", "overrides", "border", "size", "tile"),
    [
        ("unet_paper", {}, 184, (300, 401), (236, 252)),
        ("unet_milesial", {}, 0, (390, 300), (272, 256)),
        ("unet_paper", LINEAR, 184, (300, 290), (284, 284)),
        ("attention_unet", {}, 0, (330, 360), (320, 320)),
        ("unet_milesial", {"block.dilation": 2, "depth": 2}, 0, (200, 200), (128, 132)),
        ("unet_milesial", {"depth": 2, "upsample": "pixel_shuffle", "skip.fusion": "add"}, 0, (151, 149), (96, 96)),
        ("unet_1d", {"depth": 1}, 0, (1003,), (128,)),
        ("unet_3d", {"depth": 1}, 16, (40, 45, 38), (32, 32, 32)),
    ],
)
def test_tiles_give_the_untiled_result(
    name: str, overrides: dict[str, Any], border: int, size: tuple[int, ...], tile: tuple[int, ...]
) -> None:
    model = network(name, **overrides)
    image = noise(model.graph.in_channels, *size)
    result = predict(model, image, tile=tile, batch=2)
    assert result.shape == (model.graph.out_channels, *size)
    assert sum(len(plan.spans) > 1 for plan in plan_axes(model.graph, size, tile)) == len(size)
    assert np.abs(result - in_one_piece(model, image, border)).max() <= 1e-14


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_tiles_cover_an_axis_once_and_see_no_inner_border(data: st.DataObject) -> None:
    valid = data.draw(st.booleans())
    overrides = {"depth": data.draw(st.integers(1, 3)), "block.repeats": data.draw(st.integers(1, 2))}
    overrides |= {"upsample": data.draw(st.sampled_from(["transposed_conv", "interpolate", "pixel_shuffle"]))}
    graph = unetgen.graph_of("unet_paper" if valid else "unet_milesial", input_size=None, **overrides)
    tile = smallest_fitting_size(graph, data.draw(st.integers(1, 220)))
    length = data.draw(st.integers(1, 900))
    if tile is None:
        reject()
    try:
        plan = plan_axes(graph, (length, length), tile)[0]
    except unetgen.SizeError:
        reject()
    period = graph.fits[0].period
    assert plan.full in graph.fits[0]
    assert plan.spans[0].first == 0
    assert plan.spans[-1].stop == length
    for before, after in zip(plan.spans, plan.spans[1:], strict=False):
        assert before.stop == after.first
        assert after.start % period == 0
        assert after.start > before.start
        assert after.first >= after.first_valid
    for span in plan.spans:
        assert span.start + plan.tile <= plan.full
        assert span.first < span.stop <= span.start + graph.sizes_along(0, plan.tile)[graph.output]


def test_an_image_smaller_than_a_tile_is_one_tile() -> None:
    model = network("unet_paper")
    image = noise(1, 5, 7)
    assert np.array_equal(predict(model, image, tile=572), in_one_piece(model, image, 184))


def test_a_file_is_read_and_written_tile_by_tile(tmp_path: Path) -> None:
    model = network("unet_milesial", depth=2)
    image = np.memmap(tmp_path / "image", dtype="float32", mode="w+", shape=(3, 180, 200))
    image[:] = noise(3, 180, 200)
    out = np.memmap(tmp_path / "out", dtype="float32", mode="w+", shape=(2, 180, 200))
    progress: list[tuple[int, int]] = []
    assert predict(model, image, tile=96, out=out, batch=3, progress=lambda *counts: progress.append(counts)) is out
    assert np.allclose(out, predict(model, np.asarray(image), tile=96), atol=1e-6)
    assert progress[-1][0] == progress[-1][1] == len(progress) * 3 - (-progress[-1][1]) % 3


class Lazy:
    """An array of another library, whose regions are read on demand."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.read = data, data.shape, 0

    def __getitem__(self, region: Any) -> np.ndarray:
        block = self.data[region]
        self.read = max(self.read, block.size)
        return block


def test_no_more_of_an_image_is_read_than_a_tile() -> None:
    model = network("unet_milesial", depth=2)
    image = Lazy(noise(3, 400, 90))
    predict(model, image, tile=96)
    assert image.read <= 3 * 96 * 96


def test_nonlocal_network_warns_if_there_are_several_tiles() -> None:
    model = network("unet_milesial", depth=2, **{"block.norm": "instance"})
    image = noise(3, 150, 150)
    with pytest.warns(InexactTiling) as warned:
        result = predict(model, image, tile=96)
    match = re.fullmatch(
        r"encoder\.0\.norm1 and 9 more depend on whole feature maps, so the result differs from that of the untiled image: "
        r"overlapping tiles differ by up to (\S+), in outputs of up to (\S+)",
        str(warned[0].message),
    )
    assert match
    # Two tiles differ by at most the sum of their errors.
    expected = in_one_piece(model, image)
    assert 0 < float(match[1]) <= 2.1 * np.abs(result - expected).max()
    assert float(match[2]) <= np.abs(result).max() * 1.01
    predict(model, noise(3, 96, 96), tile=96)


def test_tiles_that_are_too_small_are_joined_if_seams_are_accepted() -> None:
    model = network("unet_milesial")
    image = noise(3, 300, 70)
    with pytest.warns(
        InexactTiling, match=r"^the receptive field exceeds tiles of 76 x 70, so the result differs"
    ) as warned:
        result = predict(model, image, tile=64, exact=False)
    difference = np.abs(result - in_one_piece(model, image)).max()
    disagreement = float(re.search(r"up to (\S+),", str(warned[0].message))[1])
    assert 0 < disagreement <= 2.1 * difference
    assert difference < 1e-3 * np.abs(result).max()
    assert np.array_equal(predict(model, image, tile=256, exact=False), predict(model, image, tile=256))


def test_labels_are_kept_without_the_outputs() -> None:
    model = network("unet_milesial", depth=2, out_channels=3)
    image = noise(3, 150, 150)
    outputs, labels = predict(model, image, tile=96), predict(model, image, tile=96, keep="labels")
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, outputs.argmax(0, keepdims=True))
    probabilities = predict(model, image, tile=96, keep="probabilities")
    assert np.allclose(probabilities.sum(0), 1)
    assert np.array_equal(probabilities.argmax(0), labels[0])


@pytest.mark.parametrize("activation", ["none", "sigmoid"])
def test_one_channel_gives_binary_labels(activation: str) -> None:
    model = network("unet_milesial", depth=1, out_channels=1, **{"head.activation": activation})
    image = noise(3, 30, 30)
    first = predict(model, image, tile=32)
    middle = np.median(np.log(first / (1 - first)) if activation == "sigmoid" else first)
    list(model.parameters())[-1].data.sub_(middle)  # the bias of the head, so that both labels occur
    outputs, labels = predict(model, image, tile=32), predict(model, image, tile=32, keep="labels")
    probabilities = predict(model, image, tile=32, keep="probabilities")
    assert np.array_equal(labels, probabilities > 0.5)
    assert np.allclose(probabilities, outputs if activation == "sigmoid" else 1 / (1 + np.exp(-outputs)))
    assert 0 < labels.sum() < labels.size


def test_disagreement_of_labels_is_reported() -> None:
    model = network("unet_milesial", depth=2, **{"block.norm": "instance"})
    with pytest.warns(InexactTiling, match=r"overlapping tiles differ in \d+\.\d\d% of the labels$"):
        predict(model, noise(3, 150, 150), tile=96, keep="labels")


def test_arrays_of_zarr_are_read_and_written(tmp_path: Path) -> None:
    model = network("unet_milesial", depth=2)
    pixels = noise(3, 150, 130)
    image = zarr.create_array(tmp_path / "image.zarr", shape=pixels.shape, chunks=(3, 64, 64), dtype="float64")
    image[:] = pixels
    out = zarr.create_array(tmp_path / "out.zarr", shape=(2, 150, 130), chunks=(2, 64, 64), dtype="float64")
    predict(model, image, tile=96, out=out)
    assert np.array_equal(out[:], predict(model, pixels, tile=96))


@pytest.mark.parametrize(("norm", "local"), [("batch", True), ("layer", True), ("none", True), ("group", False)])
def test_norms_that_see_one_pixel_are_exact(norm: str, local: bool) -> None:
    norm_option = {"type": "group", "groups": 2} if norm == "group" else norm
    model = network("unet_milesial", depth=1, **{"block.norm": norm_option})
    image = noise(3, 100, 40)
    if local:
        assert np.abs(predict(model, image, tile=64) - in_one_piece(model, image)).max() <= 1e-14
    else:
        with pytest.warns(InexactTiling):
            predict(model, image, tile=64)


def test_a_model_in_training_is_left_in_training() -> None:
    model = network("unet_milesial", depth=1).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    predict(model, noise(3, 40, 40), tile=32)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_the_finest_of_several_outputs_is_predicted() -> None:
    model = network("unet_milesial", depth=2, head="deep_supervision")
    assert predict(model, noise(3, 20, 30), tile=32).shape == (2, 20, 30)


def test_smallest_tile_in_the_hint_can_be_joined() -> None:
    model = network("unet_milesial", depth=2)
    image = noise(3, 150, 150)
    with pytest.raises(unetgen.SizeError) as error:
        predict(model, image, tile=16)
    smallest = int(str(error.value).removesuffix(", or accept seams").rpartition(" ")[2])
    assert smallest < 150
    assert np.abs(predict(model, image, tile=smallest) - in_one_piece(model, image)).max() <= 1e-14


@given(length=st.integers(1, 9), low=st.integers(-40, 40))
def test_mirrors_are_torchs_reflections(length: int, low: int) -> None:
    indices = mirror_indices(np.arange(low, low + 30), length)
    assert indices.min() >= 0
    assert indices.max() < length
    pixels = list(range(length)) + list(range(length - 2, 0, -1))
    assert list(indices) == [pixels[index % len(pixels)] for index in range(low, low + 30)]
