"""What predict refuses, in whole sentences and before the network runs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import unetgen
from unetgen.graph.fitting_sizes import FittingSizes
from unetgen.tiling import predict
from unetgen.tiling.plan import plan_axes

pytestmark = pytest.mark.usefixtures("single_torch_thread")

IMAGE = np.random.default_rng(0).normal(size=(3, 20, 30)).astype("float32")


@cache
def network(*, classes: int = 2) -> Any:
    return unetgen.build("unet_milesial", seed=0, input_size=None, depth=2, widths=[2, 4, 4], out_channels=classes)


def graph(name: str = "unet_milesial", **said: Any) -> Any:
    return unetgen.graph_of(name, input_size=None, **said)


def refusal(run: Any, kind: type[Exception] = unetgen.SizeError) -> str:
    with pytest.raises(kind) as error:
        run()
    assert type(error.value) is kind
    return str(error.value)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((1, 50, 50), "image: the image has shape (1, 50, 50), this network takes (3, size, size); check in_channels"),
        ((50, 50), "image: the image has shape (50, 50), this network takes (3, size, size); add or move the channel axis"),
        ((70, 90, 3), "image: the image has shape (70, 90, 3), this network takes (3, size, size); move the channel axis to the front"),
        ((3, 0, 9), "image: the image has shape (3, 0, 9), so it has no pixels; give one with pixels on each axis"),
    ],
)  # fmt: skip
def test_an_image_that_is_none_for_the_network(shape: tuple[int, ...], sentence: str) -> None:
    assert refusal(lambda: predict(network(), np.zeros(shape))) == sentence


def test_a_network_whose_first_output_is_no_map() -> None:
    base = {"schema_version": 1, "in_channels": 3, "out_channels": 2, "widths": [2, 4]}
    heads = {"kind": {"type": "classification", "out_channels": 2}, "mask": "conv"}
    model = unetgen.build({**base, "name": "kinds_first", "heads": heads}, seed=0)
    assert refusal(lambda: predict(model, IMAGE)) == (
        "head: the first output is no map; call the model on whole images"
    )


@pytest.mark.parametrize(
    ("tile", "sentence"),
    [
        ((64, 64, 64), "tile: the tile has 3 numbers, the network has 2 axes; give one number for all axes"),
        (100.0, "tile: 100.0 is no whole number of pixels; give one, or one for each axis"),
        ("100", "tile: '100' is no whole number of pixels; give one, or one for each axis"),
        ((64, None), "tile: (64, None) is no whole number of pixels; give one, or one for each axis"),
        (0, "tile: 0 on axis H is too small: conv needs at least 1; the smallest that fits is 4 (output 4)\n"
            "tile: 0 on axis W is too small: conv needs at least 1; the smallest that fits is 4 (output 4)"),
    ],
)  # fmt: skip
def test_a_tile_that_is_none(tile: Any, sentence: str) -> None:
    assert refusal(lambda: predict(network(), IMAGE, tile=tile)) == sentence


def test_tiles_and_batches_may_be_numbers_of_numpy() -> None:
    wanted = predict(network(), IMAGE, tile=64)
    for tile in (np.int64(64), np.array([64, 64]), [np.int32(64), 64]):
        assert np.array_equal(predict(network(), IMAGE, tile=tile, batch=np.int64(2)), wanted)


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        ({"keep": "label"}, ValueError, "keep: 'label' is none of outputs, probabilities, labels; did you mean 'labels'?"),
        ({"keep": None}, ValueError, "keep: None is none of outputs, probabilities, labels; take one of these"),
        ({"batch": 0}, ValueError, "batch: 0 is no number of tiles; take a whole one, 1 or more"),
        ({"batch": -1}, ValueError, "batch: -1 is no number of tiles; take a whole one, 1 or more"),
        ({"batch": 1.5}, ValueError, "batch: 1.5 is no number of tiles; take a whole one, 1 or more"),
        ({"out": np.empty((2, 40, 30))}, unetgen.SizeError, "out: the array has shape (2, 40, 30), the result has (2, 20, 30); give one of that shape"),
        ({"out": np.empty((2, 20, 30)), "keep": "labels"}, unetgen.SizeError, "out: the array has shape (2, 20, 30), the result has (1, 20, 30); give one of that shape"),
        ({"out": np.empty((2, 20, 30), "uint8")}, TypeError, "out: an array of uint8 does not hold outputs; give one of float32"),
        ({"out": torch.empty(2, 20, 30)}, TypeError, "out: an array of torch.float32 does not hold outputs; give one of float32"),
    ],
)  # fmt: skip
def test_what_predict_cannot_be_given(said: dict[str, Any], kind: type[Exception], sentence: str) -> None:
    assert refusal(lambda: predict(network(), IMAGE, **said), kind) == sentence


def test_labels_go_where_all_of_them_can_be_told_apart() -> None:
    out = np.empty((1, 20, 30), "uint8")
    assert refusal(lambda: predict(network(classes=300), IMAGE, keep="labels", out=out), TypeError) == (
        "out: an array of uint8 does not hold labels; give one of int32"
    )
    for dtype in ("int16", "float32"):
        found = predict(network(classes=300), IMAGE, keep="labels", out=out.astype(dtype))
        assert np.array_equal(found, predict(network(classes=300), IMAGE, keep="labels"))


def test_outputs_may_be_kept_in_half_their_digits() -> None:
    out = np.empty((2, 20, 30), "float16")
    assert np.allclose(predict(network(), IMAGE, out=out), predict(network(), IMAGE), atol=1e-2)


@pytest.mark.parametrize(
    ("name", "tile", "exact", "hint"),
    [
        ("unet_milesial", 64, True, "take at least 220, or accept seams"),
        ("unet_milesial", 16, False, "take at least 220, or larger ones with seams"),
        ("d_linknet", 64, True, "take at least 317, or accept seams"),  # which is the image, mirrored until it fits
    ],
)
def test_tiles_too_small_to_be_joined(name: str, tile: int, exact: bool, hint: str) -> None:
    assert refusal(lambda: plan_axes(graph(name), (300, 300), (tile, tile), exact=exact)) == (
        f"tile: tiles of {tile} on axis H cannot be joined: too few of their pixels see no border; {hint}"
    )


def test_a_network_that_sees_far_says_how_large_its_tiles_are() -> None:
    assert refusal(lambda: plan_axes(graph("d_linknet"), (3000, 3000), (64, 64))) == (
        "tile: tiles of 64 on axis H cannot be joined: too few of their pixels see no border; "
        "take at least 1981, or accept seams"
    )


@pytest.mark.parametrize(("exact", "seams"), [(True, ", or accept seams"), (False, "")])
def test_a_network_of_one_size_has_no_larger_tiles(exact: bool, seams: str) -> None:
    bound = replace(graph(), bound=True, input_size=(16, 16))
    assert [plan.full for plan in plan_axes(bound, (10, 16), (16, 16))] == [16, 16]
    assert refusal(lambda: plan_axes(bound, (16, 300), (16, 16), exact=exact)) == (
        "tile: tiles of 16 on axis W cannot be joined: too few of their pixels see no border; "
        f"cut or shrink the image to 16, the only size that fits{seams}"
    )


def test_an_image_larger_than_any_size_that_fits() -> None:
    small = graph()
    small.__dict__["fits"] = (FittingSizes.only(64, 64),) * 2  # as of a network whose maps have one size in common
    assert refusal(lambda: plan_axes(small, (64, 100), (64, 64))) == (
        "tile: images of 100 on axis W are larger than any size that fits; cut or shrink them to 64"
    )


def test_outputs_that_are_no_pixels_of_the_image() -> None:
    half = graph(depth=1, widths=[2, 4], upsample={"type": "interpolate", "factor": 1}, skip="none")
    assert refusal(lambda: plan_axes(half, (30, 30), (64, 64))) == (
        "tile: outputs on axis H are not as large as inputs but for a border; call the model on whole images"
    )


def test_a_network_whose_period_nobody_knows() -> None:
    deep = graph("unet_1d", depth=7, widths=[1] * 8, downsample={"type": "max_pool", "kernel_size": 4, "stride": 4},
                 upsample={"type": "transposed_conv", "kernel_size": 4, "stride": 4})  # fmt: skip
    assert refusal(lambda: plan_axes(deep, (30,), (4**7,))) == (
        "tile: the sizes that fit on axis L are too many to list, so nobody knows where tiles may start; "
        "call the model on whole images"
    )
