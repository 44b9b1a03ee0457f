"""The tile that is chosen where none is given, and what small tiles cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import unetgen
from support.command_line import RunCli
from unetgen.network.unet import UNet
from unetgen.tiling import predict
from unetgen.tiling.tile_choice import compute_relative_cost, describe_high_cost, plan_tiles


def build_padded(dims: int, input_size: tuple[int, ...] | None) -> UNet:
    spec: dict[str, Any] = {"extends": "unet_milesial", "dims": dims, "in_channels": 1, "widths": [2, 4, 8]}
    return unetgen.build(spec, seed=0, input_size=list(input_size) if input_size else None)


@pytest.mark.parametrize(
    ("dims", "input_size", "image", "tiles"),
    [
        (2, (16, 16), (300, 280), (88, 88)),  # 44 pixels of context, and as many outputs
        (2, (96, 96), (300, 280), (96, 96)),  # exact as it is
        (2, (16, 16), (60, 280), (60, 88)),
        (2, None, (300, 280), (300, 280)),
        (3, (16, 16, 16), (60, 100, 300), (60, 88, 88)),
    ],
)
def test_the_default_tile_is_exact(
    dims: int, input_size: tuple[int, ...] | None, image: tuple[int, ...], tiles: tuple[int, ...]
) -> None:
    plans = plan_tiles(build_padded(dims, input_size), image)
    assert tuple(plan.tile for plan in plans) == tiles
    assert not any(plan.has_seams for plan in plans)
    assert compute_relative_cost(plans) < 2**dims


def test_a_network_predicts_larger_images_without_a_tile() -> None:
    model = build_padded(2, (16, 16))
    image = np.random.default_rng(0).standard_normal((1, 120, 90)).astype("float32")
    whole = predict(model, image, tile=(120, 90))
    assert np.allclose(predict(model, image), whole, atol=1e-6)


def test_costly_tiles_are_compared_with_larger_ones() -> None:
    model = build_padded(2, None)
    assert describe_high_cost(model, (400, 400), plan_tiles(model, (400, 400), 48)) == (
        "tiles of 48 x 48 compute 114 times as many pixels as the untiled image; "
        "tiles of 88 x 88 compute 3.92 times as many"
    )
    assert describe_high_cost(model, (400, 400), plan_tiles(model, (400, 400), 88)) == ""
    assert describe_high_cost(model, (40, 40), plan_tiles(model, (40, 40), 48)) == ""


def test_the_command_warns_of_costly_tiles(tmp_path: Any, run_cli: RunCli) -> None:
    unetgen.save(build_padded(2, None), tmp_path / "net.safetensors")
    np.save(tmp_path / "image.npy", np.zeros((1, 400, 100), "float32"))
    arguments = ["predict", str(tmp_path / "net.safetensors"), str(tmp_path / "image.npy"), "-o", str(tmp_path / "out")]
    outcome = run_cli(*arguments, "--tile", "52")
    assert outcome.code == 0
    assert outcome.err == (
        f"warning: {tmp_path}/image.npy: tiles of 52 x 52 compute 21.3 times as many pixels as the untiled image; "
        "tiles of 88 x 88 compute 3.48 times as many\n"
    )
    assert run_cli(*arguments).err == ""
