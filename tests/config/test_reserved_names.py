"""Which names outputs can have: all but those of torch.nn.Module's attributes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

import unetgen
from unetgen.errors import SpecError
from unetgen.outputs.formats import export
from unetgen.plugins import load_registry

# Attributes that unetgen's own modules once had in public.
FREE_NAMES = ("label", "values", "results", "steps", "run")


def test_names_that_torch_does_not_use_build_run_and_export(tmp_path: Path) -> None:
    heads = {name: {"type": "conv"} for name in FREE_NAMES}
    model = unetgen.build({"in_channels": 1, "out_channels": 2, "widths": [4, 8], "heads": heads}, seed=0).eval()
    image = torch.randn(1, 1, 44, 44, generator=torch.Generator().manual_seed(0))
    outputs = model(image)
    assert tuple(outputs) == FREE_NAMES
    assert {f"head.{name}.conv.weight" for name in FREE_NAMES} <= set(model.state_dict())

    file = tmp_path / "net.py"
    export(model, file, "python", load_registry())
    module_spec = importlib.util.spec_from_file_location("reserved_names_net", file)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    standalone = module.UNet().eval()
    standalone.load_state_dict(model.state_dict())
    written = standalone(image)
    for name in FREE_NAMES:
        assert torch.equal(written[name], outputs[name])


def test_names_that_torch_uses_are_reserved() -> None:
    heads = {"train": {"type": "conv"}}
    with pytest.raises(SpecError) as refused:
        unetgen.load_spec({"in_channels": 1, "out_channels": 2, "widths": [4, 8], "heads": heads})
    assert str(refused.value) == (
        "heads.train: output name 'train' is reserved by torch.nn.Module; rename it, for example to 'train_map'"
    )
