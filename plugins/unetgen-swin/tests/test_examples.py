"""Test that the examples are valid, build and run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import unetgen
from unetgen.config.registry.registry import Registry

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.yaml"))
README = Path(__file__).parent.parent / "README.md"


def test_there_are_three() -> None:
    assert [path.stem for path in EXAMPLES] == ["mamba_unet", "swin_unet", "trans_unet"]


@torch.no_grad()
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(registry: Registry, path: Path) -> None:
    spec = unetgen.load_spec(path, registry=registry)
    model = unetgen.build(spec, registry=registry, seed=1).eval()
    output = model(torch.zeros(1, spec.in_channels, *spec.input_size))
    assert output.shape == (1, spec.out_channels, *spec.input_size)
    assert output.isfinite().all()


def test_spec_of_the_readme_is_valid(registry: Registry) -> None:
    text = README.read_text().split("```yaml\n")[1].split("```")[0]
    graph = unetgen.graph_of(text, registry=registry)
    assert graph.output_size((224, 224)) == (224, 224)


def test_readme_lists_every_part_and_option(registry: Registry) -> None:
    text = README.read_text()
    for name in ("swin", "vit", "state_space"):
        part = registry.find("block", name).part
        assert f"`{name}`" in text
        assert [option for option in part.model_fields if f"`{option}`" not in text] == []
