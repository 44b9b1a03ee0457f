"""Options of the base that a variant resets without naming them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.command_line import RunCli
from unetgen.ablation.sweeps.directory.index import variant_to_dict
from unetgen.ablation.sweeps.sweep import sweep

BASE = {"extends": "unet_milesial", "widths": [4, 8], "input_size": [16, 16]}


def find_resets(axes: dict[str, Any]) -> dict[str, dict[str, tuple[str, str]]]:
    """Return the resets of the last variant of a grid, by part."""
    *_, variant = sweep({"base": BASE, "axes": axes})
    return {confounder.part: dict(confounder.resets) for confounder in variant.confounders}


@pytest.mark.parametrize(
    ("axes", "resets"),
    [
        (
            {"block": ["conv", "residual"]},
            {
                "block=residual": {
                    "block.padding": ("zeros", "valid"),
                    "block.bias": ("false", "true"),
                    "block.norm": ("batch", "none"),
                }
            },
        ),
        (
            {"levels.0.decoder.block": [{"type": "residual", "padding": "zeros", "bias": False}]},
            {"decoder.block=residual": {"decoder.block.norm": ("batch", "none")}},
        ),
        (
            {"block": ["residual"], "block.norm": ["instance"], "block.padding": ["zeros"]},
            {"block=residual": {"block.bias": ("false", "true")}},
        ),
        ({"block": [{"type": "residual", "padding": "zeros", "bias": False, "norm": "batch"}]}, {}),
        ({"block.norm": ["instance"], "skip": ["none"], "depth": [1]}, {}),
        ({"upsample": [{"type": "interpolate", "mode": "linear"}]}, {}),
    ],
)
def test_options_that_a_type_resets_are_confounders(axes: dict[str, Any], resets: dict[str, Any]) -> None:
    assert find_resets(axes) == resets


def test_confounders_are_printed_with_their_variants(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "base: {extends: unet_milesial, widths: [4, 8], input_size: [16, 16]}\n"
        "axes: {block: [conv, {type: residual, padding: zeros}]}\n"
    )
    outcome = run_cli("sweep", str(tmp_path / "s.yaml"))
    assert outcome.code == 0
    assert outcome.err == (
        "note: block=residual also resets block.bias (false to true), block.norm (batch to none); "
        "set them in the axis too to change the type only (in block=residual+padding=zeros)\n"
    )


def test_the_index_has_the_confounders() -> None:
    base, variant = sweep({"base": BASE, "axes": {"block": ["conv", {"type": "residual", "padding": "zeros"}]}})
    assert "confounders" not in variant_to_dict(base)
    assert variant_to_dict(variant)["confounders"] == {
        "block=residual": {"block.bias": ("false", "true"), "block.norm": ("batch", "none")}
    }
