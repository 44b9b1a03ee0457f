"""Test error messages: the problem, its position and the fix."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import unetgen
from conftest import spec
from unetgen.config.registry.registry import Registry

BLOCK = "override: bottleneck.block"

INVALID: list[tuple[str, int, dict[str, Any], str]] = [
    (
        "heads", 2, {"type": "swin", "window": 4, "heads": 5},
        f"{BLOCK}.heads: in the bottleneck: 5 heads do not divide 16 channels; use 4 or 8, or other channels",
    ),
    (
        "more heads than channels", 2, {"type": "vit", "heads": 17},
        f"{BLOCK}.heads: in the bottleneck: 17 heads do not divide 16 channels; use 16, or other channels",
    ),
    (
        "window for other axes", 2, {"type": "swin", "window": [4, 4, 2]},
        f"{BLOCK}.window: a list needs 2 numbers, one for each axis, not 3; "
        "set different values for levels in 'levels'",
    ),
    (
        "window of one pixel", 2, {"type": "swin", "window": [1, 1]},
        f"{BLOCK}.window: must have more than one pixel; set at least 2 on one axis",
    ),
    (
        "no shifted layer", 2, {"type": "swin", "window": 4, "repeats": 1, "shift": False},
        f"{BLOCK}.shift: 'shift' has no effect: only every second layer is shifted; delete 'shift'",
    ),
    (
        "sincos in few channels", 3, {"type": "vit", "heads": 1, "position": "sincos"},
        f"{BLOCK}.position: in the bottleneck: sincos needs at least 6 channels for 3 axes, not 4; "
        "use learned or none",
    ),
    (
        "axes in 1-D", 1, {"type": "state_space", "directions": "axes"},
        f"{BLOCK}.directions: in the bottleneck: axes is the same as 2 in 1-D; write 2",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("dims", "block", "sentence"), [r[1:] for r in INVALID], ids=[r[0] for r in INVALID])
def test_invalid_blocks(registry: Registry, dims: int, block: dict[str, Any], sentence: str) -> None:
    widths = [4, 4] if "sincos" in block.values() else [8, 16]
    with pytest.raises(unetgen.SpecError) as error:
        unetgen.graph_of(spec("none", dims, widths=widths), registry=registry, **{"bottleneck.block": block})
    assert str(error.value) == sentence


def test_learned_positions_need_a_size(registry: Registry) -> None:
    plain = {key: value for key, value in spec({"type": "vit"}).items() if key != "input_size"}
    with pytest.raises(unetgen.UnetgenError, match="input_size") as error:
        unetgen.graph_of(plain, registry=registry)
    assert "block 'vit'" in str(error.value)


def test_learned_positions_reject_other_sizes(registry: Registry) -> None:
    model = unetgen.build(spec({"type": "vit", "layers": 1}), registry=registry)
    with pytest.raises(ValueError, match=r"16 x 24|8 x 12|24"):
        model(torch.zeros(1, 1, 16, 32))


def test_a_size_that_the_window_does_not_divide(registry: Registry) -> None:
    with pytest.raises(unetgen.SizeError) as error:
        unetgen.graph_of(spec({"type": "swin", "window": [5, 4]}), registry=registry)
    assert str(error.value) == (
        "input_size: 16 on axis H gives 8 at the bottleneck, which swin cannot divide by 5; nearest that fit: "
        "10 (output 10), 20 (output 20); or add 'input: pad'"
    )


@pytest.mark.parametrize("block", ["swin", "vit", "state_space"])
def test_blocks_cannot_change_the_resolution(registry: Registry, block: str) -> None:
    with pytest.raises(unetgen.SpecError) as error:
        unetgen.graph_of(spec("none"), registry=registry, downsample="next_block", **{"bottleneck.block": block})
    assert str(error.value) == (
        f"override: bottleneck.block: in the bottleneck: block '{block}' cannot change the resolution; "
        "use downsample: conv or max_pool"
    )
