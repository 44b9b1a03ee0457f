"""Shared initial weights: in variants of a spec, modules with equal paths and shapes have bit-identical weights."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

import unetgen
from support.networks import narrow
from support.plugin_site import PluginSite
from unetgen.ablation.sweeps.sweep import sweep
from unetgen.analysis.cost import count_parameters
from unetgen.config.spec_sources import list_shipped_specs

pytestmark = pytest.mark.usefixtures("single_torch_thread")

BASE = {"extends": "unet_milesial", "widths": [4, 8, 16, 32], "input_size": [32, 32]}


def build_weights(spec: Any, **overrides: Any) -> dict[str, torch.Tensor]:
    return dict(unetgen.build(spec, seed=7, **overrides).state_dict())


def shapes_by_module(state: dict[str, torch.Tensor]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of each module that has its own tensors."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, tensor in state.items():
        shapes.setdefault(key.rpartition(".")[0], {})[key] = tuple(tensor.shape)
    return shapes


def shared_keys(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    """Return the keys of modules with equal shapes in both; check that their tensors are bit-identical."""
    theirs = shapes_by_module(other)
    keys = [key for path, shapes in shapes_by_module(one).items() if theirs.get(path) == shapes for key in shapes]
    assert [key for key in keys if not torch.equal(one[key], other[key])] == []
    return keys


def test_every_variant_of_a_grid_starts_from_the_same_weights() -> None:
    source = {
        "base": BASE,
        "axes": {
            "skip.fusion": ["concat", "add", "none"],
            "upsample": ["transposed_conv", "interpolate", "pixel_shuffle"],
            "block": ["conv", {"type": "residual", "padding": "zeros"}, {"type": "dense", "padding": "zeros"}],
            "depth": [2, 3],
        },
        "on_invalid": "skip",
    }
    built = [build_weights(variant.spec) for variant in sweep(source)]
    assert len(built) > 20
    pairs = list(itertools.combinations(built, 2))
    assert sum(bool(shared_keys(one, other)) for one, other in pairs) > 0.8 * len(pairs)


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"decoder.block": {"type": "residual", "padding": "zeros"}}, ("decoder.",)),
        ({"levels.1.decoder.block": {"type": "residual", "padding": "zeros"}}, ("decoder.1.",)),
        ({"levels.1.encoder.block.repeats": 3}, ("encoder.1.",)),
        ({"skip.transform": "attention_gate"}, ("decoder.",)),
        ({"upsample": "pixel_shuffle"}, ("decoder.",)),
        ({"head.kernel_size": 3}, ("head.",)),
    ],
)
def test_a_change_changes_nothing_elsewhere(overrides: dict[str, Any], changed: tuple[str, ...]) -> None:
    before, after = build_weights(BASE), build_weights(BASE, **overrides)
    kept = shared_keys(before, after)
    assert {key for key in before if not key.startswith(changed)} <= set(kept)
    assert set(after) != set(before) or any(after[key].shape != before[key].shape for key in before)


def test_another_level_changes_no_level_that_was_there() -> None:
    shallow, deep = build_weights(BASE, depth=2), build_weights(BASE, depth=3)
    kept = shared_keys(shallow, deep)
    assert {key for key in shallow if key.startswith(("encoder.0.", "encoder.1.", "decoder.0.", "head."))} <= set(kept)
    assert any(key.startswith("decoder.1.") for key in kept)


def test_a_plugins_block_changes_nothing_elsewhere(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    before, after = build_weights(BASE), build_weights(BASE, **{"levels.1.encoder.block": "acme-unet/twice"})
    assert {key for key in before if not key.startswith("encoder.1.")} <= set(shared_keys(before, after))


# Changes of one option, of which each network takes those that its parts allow.
CHANGES: list[dict[str, Any]] = [
    {"head.kernel_size": 3},
    {"in_channels": 5},
    {"levels.0.skip": "none"},
    {"levels.0.decoder.block.repeats": 3},
    {"upsample": "interpolate"},
    {"out_channels": 5},
]


@pytest.mark.parametrize("name", list_shipped_specs())
def test_variants_of_the_zoo_share_what_they_share(name: str) -> None:
    """All changes to a narrow network, two to one of fixed widths."""
    spec = narrow(name)
    is_narrow = count_parameters(unetgen.graph_of(spec)) < 3_000_000
    assert_variants_share(spec, CHANGES if is_narrow else CHANGES[:2])


@pytest.mark.slow
@pytest.mark.parametrize("name", list_shipped_specs())
def test_variants_of_full_width_share_what_they_share(name: str) -> None:
    assert_variants_share(unetgen.load_spec(name).resolved(), CHANGES)


def assert_variants_share(spec: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    base = build_weights(spec)
    tried = 0
    for change in changes:
        try:
            after = build_weights(spec, **change)
        except unetgen.SpecError:
            continue
        shared_keys(base, after)
        assert set(base) & set(after)
        tried += 1
    assert tried >= 1
