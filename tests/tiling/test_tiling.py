"""Images in tiles: what comes out is what comes out of the whole image."""

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
    said = {"input_size": None, "widths": NARROW[: depth + 1], **overrides}
    return unetgen.build(name, seed=0, **said).double().eval()


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
def test_tiles_give_what_the_whole_image_gives(
    name: str, overrides: dict[str, Any], border: int, size: tuple[int, ...], tile: tuple[int, ...]
) -> None:
    model = network(name, **overrides)
    image = noise(model.graph.in_channels, *size)
    found = predict(model, image, tile=tile, batch=2)
    assert found.shape == (model.graph.out_channels, *size)
    assert sum(len(plan.spans) > 1 for plan in plan_axes(model.graph, size, tile)) == len(size)
    assert np.abs(found - in_one_piece(model, image, border)).max() <= 1e-14


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
    for stretch in plan.spans:
        assert stretch.start + plan.tile <= plan.full
        assert stretch.first < stretch.stop <= stretch.start + graph.sizes_along(0, plan.tile)[graph.output]


def test_an_image_smaller_than_a_tile_is_one_tile() -> None:
    model = network("unet_paper")
    image = noise(1, 5, 7)
    assert np.array_equal(predict(model, image, tile=572), in_one_piece(model, image, 184))


def test_a_file_is_read_and_written_tile_by_tile(tmp_path: Path) -> None:
    model = network("unet_milesial", depth=2)
    image = np.memmap(tmp_path / "image", dtype="float32", mode="w+", shape=(3, 180, 200))
    image[:] = noise(3, 180, 200)
    out = np.memmap(tmp_path / "out", dtype="float32", mode="w+", shape=(2, 180, 200))
    heard: list[tuple[int, int]] = []
    assert predict(model, image, tile=96, out=out, batch=3, progress=lambda *said: heard.append(said)) is out
    assert np.allclose(out, predict(model, np.asarray(image), tile=96), atol=1e-6)
    assert heard[-1][0] == heard[-1][1] == len(heard) * 3 - (-heard[-1][1]) % 3


class Lazy:
    """An array of another library: a shape, and regions that are read when they are asked for."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.read = data, data.shape, 0

    def __getitem__(self, region: Any) -> np.ndarray:
        found = self.data[region]
        self.read = max(self.read, found.size)
        return found


def test_no_more_of_an_image_is_read_than_a_tile() -> None:
    model = network("unet_milesial", depth=2)
    image = Lazy(noise(3, 400, 90))
    predict(model, image, tile=96)
    assert image.read <= 3 * 96 * 96


def test_what_sees_whole_maps_is_warned_of_where_there_are_tiles() -> None:
    model = network("unet_milesial", depth=2, **{"block.norm": "instance"})
    image = noise(3, 150, 150)
    with pytest.warns(InexactTiling) as warned:
        found = predict(model, image, tile=96)
    told = re.fullmatch(
        r"encoder\.0\.norm1 and 9 more look at whole maps, so the result is not that of the whole image: "
        r"where tiles overlap they are up to (\S+) apart, in outputs of up to (\S+)",
        str(warned[0].message),
    )
    assert told
    # What two tiles say of a pixel is at most so far apart as both together are from the truth.
    truth = in_one_piece(model, image)
    assert 0 < float(told[1]) <= 2.1 * np.abs(found - truth).max()
    assert float(told[2]) <= np.abs(found).max() * 1.01
    predict(model, noise(3, 96, 96), tile=96)


def test_tiles_that_are_too_small_are_joined_if_seams_are_accepted() -> None:
    model = network("unet_milesial")
    image = noise(3, 300, 70)
    with pytest.warns(
        InexactTiling, match=r"^pixels see beyond tiles of 76 x 70, so the result is not that of the"
    ) as warned:
        found = predict(model, image, tile=64, exact=False)
    difference = np.abs(found - in_one_piece(model, image)).max()
    apart = float(re.search(r"up to (\S+) apart", str(warned[0].message))[1])
    assert 0 < apart <= 2.1 * difference
    assert difference < 1e-3 * np.abs(found).max()
    assert np.array_equal(predict(model, image, tile=256, exact=False), predict(model, image, tile=256))


def test_labels_are_kept_without_the_outputs() -> None:
    model = network("unet_milesial", depth=2, out_channels=3)
    image = noise(3, 150, 150)
    outputs, labels = predict(model, image, tile=96), predict(model, image, tile=96, keep="labels")
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, outputs.argmax(0, keepdims=True))
    likely = predict(model, image, tile=96, keep="probabilities")
    assert np.allclose(likely.sum(0), 1)
    assert np.array_equal(likely.argmax(0), labels[0])


@pytest.mark.parametrize("activation", ["none", "sigmoid"])
def test_one_channel_is_a_yes_or_no(activation: str) -> None:
    model = network("unet_milesial", depth=1, out_channels=1, **{"head.activation": activation})
    image = noise(3, 30, 30)
    first = predict(model, image, tile=32)
    middle = np.median(np.log(first / (1 - first)) if activation == "sigmoid" else first)
    list(model.parameters())[-1].data.sub_(middle)  # the head's bias: both answers are given
    outputs, labels = predict(model, image, tile=32), predict(model, image, tile=32, keep="labels")
    likely = predict(model, image, tile=32, keep="probabilities")
    assert np.array_equal(labels, likely > 0.5)
    assert np.allclose(likely, outputs if activation == "sigmoid" else 1 / (1 + np.exp(-outputs)))
    assert 0 < labels.sum() < labels.size


def test_labels_of_tiles_that_see_whole_maps_are_compared_too() -> None:
    model = network("unet_milesial", depth=2, **{"block.norm": "instance"})
    with pytest.warns(InexactTiling, match=r"where tiles overlap \d+\.\d\d% of the labels are not the neighbour's$"):
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
    said = {"type": "group", "groups": 2} if norm == "group" else norm
    model = network("unet_milesial", depth=1, **{"block.norm": said})
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


def test_the_least_that_is_told_can_be_joined() -> None:
    model = network("unet_milesial", depth=2)
    image = noise(3, 150, 150)
    with pytest.raises(unetgen.SizeError) as error:
        predict(model, image, tile=16)
    least = int(str(error.value).removesuffix(", or accept seams").rpartition(" ")[2])
    assert least < 150
    assert np.abs(predict(model, image, tile=least) - in_one_piece(model, image)).max() <= 1e-14


@given(length=st.integers(1, 9), low=st.integers(-40, 40))
def test_mirrors_are_torchs_reflections(length: int, low: int) -> None:
    found = mirror_indices(np.arange(low, low + 30), length)
    assert found.min() >= 0
    assert found.max() < length
    pixels = list(range(length)) + list(range(length - 2, 0, -1))
    assert list(found) == [pixels[index % len(pixels)] for index in range(low, low + 30)]
