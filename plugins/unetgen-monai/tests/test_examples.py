"""Test that the examples are valid and run, and that specs are inspected without torch and MONAI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from unetgen_monai.plugin import unetgen_parts

import unetgen
from conftest import PLUGIN
from unetgen.config.registry.registry import Registry

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

CHECK_EXAMPLES = f"""
import sys
import unetgen

registry = unetgen.load_registry(["{PLUGIN}"])
for path in sys.argv[1:]:
    graph = unetgen.graph_of(path, registry=registry)
    assert graph.output_size(graph.input_size) == graph.input_size, path
assert not {{"torch", "monai", "numpy"}} & set(sys.modules)
"""


def test_graphs_are_built_without_torch_and_monai() -> None:
    command = [sys.executable, "-c", CHECK_EXAMPLES, *map(str, EXAMPLES)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_built_and_run(registry: Registry, path: Path) -> None:
    model = unetgen.build(str(path), registry=registry, seed=1).eval()
    size = (32,) * model.graph.dims
    with torch.no_grad():
        assert model(torch.zeros(1, 1, *size)).shape == (1, 2, *size)


@pytest.mark.parametrize("command", ["validate", "inspect"])
def test_command_line_accepts_an_example(command: str) -> None:
    arguments = [command, str(ROOT / "examples" / "basic_unet.yaml"), "--plugin", PLUGIN]
    result = subprocess.run([sys.executable, "-m", "unetgen", *arguments], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert ("valid" if command == "validate" else "1,978,466") in result.stdout


def test_readme_lists_every_part_and_option_and_its_spec_is_valid(registry: Registry) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for part in unetgen_parts():
        row = next(line for line in text.splitlines() if line.startswith(f"| {part.slot} | `{part.type}` |"))
        for option in part.model_fields:
            assert f"`{option}`" in row, (part.type, option)
    spec = text.split("```yaml\n")[1].split("```")[0]
    assert unetgen.graph_of(yaml.safe_load(spec), registry=registry).dims == 2
