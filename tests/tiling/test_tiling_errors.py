"""Test the error messages of predict, which are raised before the network runs."""

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


def graph(name: str = "unet_milesial", **overrides: Any) -> Any:
    return unetgen.graph_of(name, input_size=None, **overrides)


def error_message(run: Any, error_type: type[Exception] = unetgen.SizeError) -> str:
    with pytest.raises(error_type) as error:
        run()
    assert type(error.value) is error_type
    return str(error.value)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((1, 50, 50), "image: shape must be (3, size, size), not (1, 50, 50); check in_channels"),
        ((50, 50), "image: shape must be (3, size, size), not (50, 50); add or move the channel axis"),
        ((70, 90, 3), "image: shape must be (3, size, size), not (70, 90, 3); move the channel axis to the front"),
        ((3, 0, 9), "image: shape (3, 0, 9) has no pixels; pass an image with at least one pixel on each axis"),
    ],
)  # fmt: skip
def test_image_of_the_wrong_shape(shape: tuple[int, ...], sentence: str) -> None:
    assert error_message(lambda: predict(network(), np.zeros(shape))) == sentence


def test_first_output_without_spatial_axes() -> None:
    base = {"schema_version": 1, "in_channels": 3, "out_channels": 2, "widths": [2, 4]}
    heads = {"kind": {"type": "classification", "out_channels": 2}, "mask": "conv"}
    model = unetgen.build({**base, "name": "kinds_first", "heads": heads}, seed=0)
    assert error_message(lambda: predict(model, IMAGE)) == (
        "head: the first output has no spatial axes; call the model on whole images"
    )


@pytest.mark.parametrize(
    ("tile", "sentence"),
    [
        ((64, 64, 64), "tile: 3 sizes for a network of 2 dimensions; set one size for all axes"),
        (100.0, "tile: must be an integer or one per axis, not 100.0; set the tile size in pixels"),
        ("100", "tile: must be an integer or one per axis, not '100'; set the tile size in pixels"),
        ((64, None), "tile: must be an integer or one per axis, not (64, None); set the tile size in pixels"),
        (0, "tile: 0 on axis H is too small: conv needs at least 1; the smallest that fits is 4 (output 4)\n"
            "tile: 0 on axis W is too small: conv needs at least 1; the smallest that fits is 4 (output 4)"),
    ],
)  # fmt: skip
def test_invalid_tile(tile: Any, sentence: str) -> None:
    assert error_message(lambda: predict(network(), IMAGE, tile=tile)) == sentence


def test_tiles_and_batches_may_be_numbers_of_numpy() -> None:
    expected = predict(network(), IMAGE, tile=64)
    for tile in (np.int64(64), np.array([64, 64]), [np.int32(64), 64]):
        assert np.array_equal(predict(network(), IMAGE, tile=tile, batch=np.int64(2)), expected)


@pytest.mark.parametrize(
    ("arguments", "error_type", "sentence"),
    [
        ({"keep": "label"}, ValueError, "keep: must be outputs, probabilities or labels, not 'label'; did you mean 'labels'?"),
        ({"keep": None}, ValueError, "keep: must be outputs, probabilities or labels, not None; choose one of these"),
        ({"batch": 0}, ValueError, "batch: must be a positive integer, not 0; set the number of tiles per pass"),
        ({"batch": -1}, ValueError, "batch: must be a positive integer, not -1; set the number of tiles per pass"),
        ({"batch": 1.5}, ValueError, "batch: must be a positive integer, not 1.5; set the number of tiles per pass"),
        ({"out": np.empty((2, 40, 30))}, unetgen.SizeError, "out: shape must be (2, 20, 30), not (2, 40, 30); pass an array of the result's shape"),
        ({"out": np.empty((2, 20, 30)), "keep": "labels"}, unetgen.SizeError, "out: shape must be (1, 20, 30), not (2, 20, 30); pass an array of the result's shape"),
        ({"out": np.empty((2, 20, 30), "uint8")}, TypeError, "out: an array of uint8 cannot hold outputs; pass an array of float32"),
        ({"out": torch.empty(2, 20, 30)}, TypeError, "out: an array of torch.float32 cannot hold outputs; pass an array of float32"),
    ],
)  # fmt: skip
def test_invalid_arguments(arguments: dict[str, Any], error_type: type[Exception], sentence: str) -> None:
    assert error_message(lambda: predict(network(), IMAGE, **arguments), error_type) == sentence


def test_labels_need_a_data_type_that_holds_all_of_them() -> None:
    out = np.empty((1, 20, 30), "uint8")
    assert error_message(lambda: predict(network(classes=300), IMAGE, keep="labels", out=out), TypeError) == (
        "out: an array of uint8 cannot hold labels; pass an array of int32"
    )
    for dtype in ("int16", "float32"):
        result = predict(network(classes=300), IMAGE, keep="labels", out=out.astype(dtype))
        assert np.array_equal(result, predict(network(classes=300), IMAGE, keep="labels"))


def test_outputs_may_be_kept_in_half_their_digits() -> None:
    out = np.empty((2, 20, 30), "float16")
    assert np.allclose(predict(network(), IMAGE, out=out), predict(network(), IMAGE), atol=1e-2)


@pytest.mark.parametrize(
    ("name", "tile", "exact", "hint"),
    [
        ("unet_milesial", 64, True, "use at least 220, or accept seams"),
        ("unet_milesial", 16, False, "use at least 220, or larger tiles with seams"),
        ("d_linknet", 64, True, "use at least 317, or accept seams"),  # the image, mirrored to a size that fits
    ],
)
def test_tiles_too_small_to_be_joined(name: str, tile: int, exact: bool, hint: str) -> None:
    assert error_message(lambda: plan_axes(graph(name), (300, 300), (tile, tile), exact=exact)) == "\n".join(
        f"tile: tiles of {tile} on axis {axis} are too small: too few outputs are free of border effects; {hint}"
        for axis in "HW"
    )


def test_large_receptive_field_names_the_smallest_tile() -> None:
    assert error_message(lambda: plan_axes(graph("d_linknet"), (3000, 40), (64, 64))) == (
        "tile: tiles of 64 on axis H are too small: too few outputs are free of border effects; "
        "use at least 1981, or accept seams"
    )


@pytest.mark.parametrize(("exact", "seams"), [(True, ", or accept seams"), (False, "")])
def test_a_network_of_one_size_has_no_larger_tiles(exact: bool, seams: str) -> None:
    fixed = replace(graph(), has_fixed_size=True, input_size=(16, 16))
    assert [plan.full for plan in plan_axes(fixed, (10, 16), (16, 16))] == [16, 16]
    assert error_message(lambda: plan_axes(fixed, (16, 300), (16, 16), exact=exact)) == (
        "tile: tiles of 16 on axis W are too small: too few outputs are free of border effects; "
        f"crop or shrink the image to 16, the only size that fits{seams}"
    )


def test_an_image_larger_than_any_size_that_fits() -> None:
    small = graph()
    small.__dict__["fits"] = (FittingSizes.only(64, 64),) * 2  # a network whose maps have one size in common
    assert error_message(lambda: plan_axes(small, (64, 100), (64, 64))) == (
        "tile: images of 100 on axis W are larger than any size that fits; crop or shrink them to 64"
    )


def test_outputs_that_do_not_correspond_to_pixels() -> None:
    half = graph(depth=1, widths=[2, 4], upsample={"type": "interpolate", "factor": 1}, skip="none")
    assert error_message(lambda: plan_axes(half, (30, 30), (64, 64))) == (
        "tile: input and output on axis H differ in size by more than a border; call the model on whole images"
    )


def test_unknown_period() -> None:
    deep = graph("unet_1d", depth=7, widths=[1] * 8, downsample={"type": "max_pool", "kernel_size": 4, "stride": 4},
                 upsample={"type": "transposed_conv", "kernel_size": 4, "stride": 4})  # fmt: skip
    assert error_message(lambda: plan_axes(deep, (30,), (4**7,))) == (
        "tile: too many sizes fit on axis L to list them, so the positions of tiles are unknown; "
        "call the model on whole images"
    )
