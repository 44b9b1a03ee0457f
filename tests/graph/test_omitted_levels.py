"""Decoder levels that no head reads are not built: their layers would have no gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import unetgen
from support.command_line import RunCli
from unetgen.analysis.cost import count_parameters
from unetgen.network.unet import flatten_outputs

HEADS: dict[str, tuple[dict[str, Any], tuple[int, ...], list[tuple[int, ...]]]] = {
    "level 1": ({"head.level": 1}, (0,), [(2, 8, 8)]),
    "level 2": ({"head.level": 2}, (1, 0), [(2, 4, 4)]),
    "classification": ({"head": "classification"}, (2, 1, 0), [(2,)]),
    "supervision": ({"head": {"type": "deep_supervision", "levels": [1, 2]}}, (0,), [(2, 8, 8), (2, 4, 4)]),
    "two heads": (
        {"head": "none", "heads": {"a": {"type": "conv", "level": 1}, "b": {"type": "classification"}}},
        (0,),
        [(2, 8, 8), (2,)],
    ),
    "all": ({}, (), [(2, 16, 16)]),
}


def load(changes: dict[str, Any], name: str = "unet_milesial") -> unetgen.Spec:
    spec: dict[str, Any] = {"extends": name, "widths": [4, 4, 8, 8], "input_size": [16, 16]}
    if "heads" in changes:
        changes = {key: value for key, value in changes.items() if key != "head"}
        spec["heads"] = changes.pop("heads")
    return unetgen.load_spec(spec, **changes)


@pytest.mark.parametrize("name", ["unet_milesial", "attention_unet"])
@pytest.mark.parametrize("case", HEADS)
def test_levels_that_no_head_reads_are_not_built(case: str, name: str) -> None:
    changes, omitted, shapes = HEADS[case]
    spec = load({**changes, "out_channels": 2}, name)
    graph = unetgen.graph_of(spec)
    assert graph.omitted_levels == omitted
    model = unetgen.build(spec, seed=0)
    outputs = flatten_outputs(model(torch.zeros(2, 3, 16, 16)))
    assert [tuple(y.shape[1:]) for y in outputs] == shapes
    sum(y.sum() for y in outputs).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not {f"decoder.{level}" for level in omitted} & {path for path, _ in model.named_modules()}
    complete = dict(unetgen.build(load({"out_channels": 2}, name), seed=0).named_parameters())
    shared = {key: value for key, value in model.named_parameters() if not key.startswith("head")}
    assert all(value.equal(complete[key]) for key, value in shared.items())  # they start as in the whole network
    assert sum(parameter.numel() for parameter in model.parameters()) == count_parameters(graph)


def test_reports_say_what_is_not_built(run_cli: RunCli) -> None:
    lines = run_cli("inspect", "unet_milesial", "--set", "head.level=2").out.splitlines()
    assert "not built        decoder levels 1, 0, not read by a head" in lines
    lines = run_cli("inspect", "unet_milesial", "--set", "head.level=1").out.splitlines()
    assert "not built        decoder level 0, not read by a head" in lines
    assert "not built" not in run_cli("inspect", "unet_milesial").out
