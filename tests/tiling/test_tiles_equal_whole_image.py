"""Test that tiles of any size give the untiled result, without a warning."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import unetgen
from support.untiled_reference import in_one_piece
from unetgen.graph.size_errors import accepts_size, smallest_fitting_size
from unetgen.tiling import InexactTiling, predict

pytestmark = pytest.mark.usefixtures("single_torch_thread")

NARROW = {"widths": [2, 4, 4], "in_channels": 1}

# Base spec, overrides, and the border that the network trims.
NETWORKS: dict[str, tuple[str, dict[str, Any], int]] = {
    "any size": ("unet_milesial", NARROW, 0),
    "mirrored padding": ("unet_milesial", {**NARROW, "block.padding": "reflect"}, 0),
    "dilated": ("unet_milesial", {**NARROW, "block.dilation": 2}, 0),
    "one residue": ("attention_unet", {"widths": [2, 4, 4], "in_channels": 1}, 0),
    "border": ("unet_paper", {"widths": [2, 4, 4]}, 40),
    "border, any size": ("unet_tutorial", {"widths": [2, 4, 4]}, 8),
    "larger output": (
        "unet_milesial",
        {"widths": [2, 4], "in_channels": 1, "downsample": {"type": "max_pool", "rounding": "ceil"}, "skip": "none"},
        0,
    ),
    "1-D": ("unet_1d", {"widths": [2, 4, 4]}, 0),
    "3-D": ("unet_3d", {"widths": [2, 4]}, 16),
    "3-D, any size": (
        "unet_milesial", {"dims": 3, "widths": [2, 4], "in_channels": 1}, 0
    ),
}  # fmt: skip

LONGEST = {1: 300, 2: 90, 3: 16}


@cache
def network(name: str, **overrides: Any) -> Any:
    spec, base_overrides, _ = NETWORKS[name]
    depth = len(base_overrides["widths"]) - 1
    return unetgen.build(spec, seed=0, input_size=None, depth=depth, **{**base_overrides, **overrides}).double().eval()


def noise(model: Any, size: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(size)).normal(size=(model.graph.in_channels, *size))


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_tiles_of_any_size_give_the_untiled_result(name: str, data: st.DataObject) -> None:
    model, border = network(name), NETWORKS[name][2]
    dims = model.graph.dims
    size = tuple(data.draw(st.integers(1, LONGEST[dims])) for _ in range(dims))
    # Up to twice the longest image, so that many tiles are larger than the image.
    tile = smallest_fitting_size(model.graph, data.draw(st.integers(1, 2 * LONGEST[dims])))
    image = noise(model, size)
    try:
        result = predict(model, image, tile=tile)
    except unetgen.SizeError as error:
        if "are too small" not in str(error):
            raise
        reject()
    assert np.abs(result - in_one_piece(model, image, border)).max() <= 1e-14


@pytest.mark.parametrize("size", [(64, 64), (200, 160), (203, 167)])
@pytest.mark.parametrize("tile", [100, 103, 300, 512, None])
def test_image_that_fits_gives_the_output_of_the_model(size: tuple[int, ...], tile: int | None) -> None:
    model = network("any size")
    image = noise(model, size)
    with torch.inference_mode():
        expected = model(torch.from_numpy(image[None]))[0].numpy()
    assert np.abs(predict(model, image, tile=tile) - expected).max() <= 1e-14


@pytest.mark.parametrize("overrides", [{"block.norm": "instance"}, {"block.padding": "circular"}])
def test_nonlocal_network_is_exact_in_one_tile_and_warns_otherwise(overrides: dict[str, Any]) -> None:
    model = network("any size", **overrides)
    image = noise(model, (97, 64))
    expected = in_one_piece(model, image)
    for tile in (97, 100, 300, None):
        assert np.array_equal(predict(model, image, tile=tile), expected)
    with pytest.warns(InexactTiling, match="depend on whole feature maps"):
        predict(model, image, tile=60)


def test_image_is_mirrored_further_if_a_norm_would_see_one_pixel() -> None:
    model = network("any size", **{"block.norm": "instance"})
    assert not accepts_size(model.graph, (5, 4))
    image = noise(model, (5, 4))
    result = predict(model, image)
    with torch.inference_mode():
        mirrored = np.pad(image, [(0, 0), (0, 3), (0, 3)], mode="reflect")
        assert np.array_equal(result, model(torch.from_numpy(mirrored[None]))[0].numpy()[:, :5, :4])


def test_fitting_size_missing_from_the_list_is_found() -> None:
    model = unetgen.build("utime", seed=0, input_size=None).double().eval()
    assert not model.graph.fits[0].is_complete
    image = noise(model, (2011,))
    size = next(
        n for n in range(2011, 6000) if accepts_size(model.graph, (n,)) and model.graph.output_size((n,))[0] >= 2011
    )
    before = (size - model.graph.output_size((size,))[0]) // 2
    with torch.inference_mode():
        mirrored = np.pad(image, [(0, 0), (before, size - 2011 - before)], mode="reflect")
        expected = model(torch.from_numpy(mirrored[None]))[0].numpy()[:, :2011]
    assert np.abs(predict(model, image, tile=5760) - expected).max() <= 1e-14
