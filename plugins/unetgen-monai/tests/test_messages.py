"""Test error messages and their positions."""

from __future__ import annotations

from typing import Any

import pytest
from sentences import NEXT, SENTENCES
from small_networks import BASE

import unetgen
from unetgen.config.registry.registry import Registry
from unetgen.errors import SpecError


@pytest.mark.parametrize(("overlay", "sentence"), SENTENCES)
def test_invalid_specs(registry: Registry, overlay: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as error:
        unetgen.graph_of({**BASE, **overlay}, registry=registry)
    assert str(error.value) == sentence


def test_the_position_in_the_file_is_reported(registry: Registry) -> None:
    text = """\
schema_version: 1
in_channels: 1
out_channels: 2
widths: [8, 16]
block:
  type: monai_unet_basic
  norm: layer
"""
    with pytest.raises(SpecError) as error:
        unetgen.graph_of(text, registry=registry)
    (problem,) = error.value.problems
    assert problem.location is not None
    assert (problem.location.line, problem.location.column, problem.path) == (7, 9, "block.norm")


def test_odd_sizes_do_not_fit_an_exact_stride(registry: Registry) -> None:
    spec = {**BASE, "block": "monai_unet_basic", **NEXT, "input_size": [8, 9]}
    with pytest.raises(unetgen.SizeError) as error:
        unetgen.graph_of(spec, registry=registry)
    assert str(error.value) == (
        "input_size: 9 on axis W gives 9 at the bottleneck, which monai_unet_basic cannot halve; "
        "nearest that fit: 8 (output 8), 10 (output 10); or add 'input: pad'"
    )


def test_inherited_option_without_effect_is_reset_to_its_default(registry: Registry) -> None:
    block = {"type": "monai_residual_unit", "norm": "batch", "adn_ordering": "AND"}
    levels = {0: {"decoder": {"block": {"subunits": 1, "last_conv_only": True}}}}
    spec = unetgen.load_spec({**BASE, "block": block, "levels": levels}, registry=registry)
    described = spec.decoder_levels[0].block.describe()
    assert (described["norm"]["type"], described["adn_ordering"]) == ("instance", "NDA")
