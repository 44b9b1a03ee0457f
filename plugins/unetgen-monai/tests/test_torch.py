"""Test that networks with MONAI's blocks can be copied, pickled, saved, exported and compiled."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_networks import PARTS, build, image
from torch.export import export

import unetgen
from conftest import PLUGIN
from unetgen.config.registry.registry import Registry
from unetgen.network.unet import UNet

# Runs in a process that has only the files.
LOAD_AND_COMPARE = f"""
import sys
from pathlib import Path
import torch, unetgen

for folder in map(Path, sys.argv[1:]):
    model = unetgen.load(folder / "net.safetensors", registry=unetgen.load_registry(["{PLUGIN}"]))
    x, expected = torch.load(folder / "maps.pt", weights_only=True)
    with torch.no_grad():
        assert torch.equal(model(x), expected), folder
"""


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def network(registry: Registry, slot: str, name: str) -> UNet:
    return build(registry, slot, name, {}, seed=1).eval()


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_copies_are_equal_and_independent(registry: Registry, slot: str, name: str) -> None:
    model = network(registry, slot, name)
    x = image(model)
    expected = model(x)
    copies = (copy.deepcopy(model), pickle.loads(pickle.dumps(model)))
    for parameter in model.parameters():
        parameter.zero_()
    assert all(torch.equal(duplicate(x), expected) for duplicate in copies)
    assert not torch.equal(model(x), expected)


def test_files_are_loaded_in_a_fresh_process(registry: Registry, tmp_path: Path) -> None:
    folders = []
    for slot, name in PARTS:
        model = network(registry, slot, name)
        folder = tmp_path / f"{slot}_{name}"
        folder.mkdir()
        unetgen.save(model, folder / "net.safetensors")
        x = image(model)
        torch.save((x, model(x)), folder / "maps.pt")
        folders.append(str(folder))
    result = subprocess.run(
        [sys.executable, "-c", LOAD_AND_COMPARE, *folders], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_exports(registry: Registry, slot: str, name: str) -> None:
    model = network(registry, slot, name)
    x = image(model)
    assert torch.equal(export(model, (x,), strict=False).module()(x), model(x))


@pytest.mark.parametrize(
    ("slot", "name"), [*PARTS[:4], *(pytest.param(*part, marks=pytest.mark.slow) for part in PARTS[4:])]
)
def test_compiles_in_one_graph(registry: Registry, slot: str, name: str) -> None:
    torch.compiler.reset()
    model = network(registry, slot, name)
    x = image(model)
    assert torch.equal(torch.compile(model, backend="eager", fullgraph=True)(x), model(x))
